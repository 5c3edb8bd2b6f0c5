"""The settings of the errands: the worker's, in whose process they run, and what the way back adds."""

from __future__ import annotations

from dataclasses import dataclass

from cmqueue.settings import setting
from config.address import secure_url
from config.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True)
class ErrandSettings(WorkerSettings):
    """What the way back reads in a worker process. Raises SettingsError, naming the variable."""

    transactions_url: str | None = setting(
        "TRANSACTIONS_URL",
        None,
        secure_url,
        "CM's Transactions API, such as `https://api.cmtelecom.com/v1.2/transactions/`: it is asked of what is "
        "in doubt, by reference. Without it receipts and late answers alone settle them.",
    )
