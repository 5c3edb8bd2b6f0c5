"""The settings of the errands: the worker's, in whose process they run, and what the way back adds."""

from __future__ import annotations

from dataclasses import dataclass

from cmqueue.settings import setting, whole
from config.address import secure_url
from config.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True)
class ErrandSettings(WorkerSettings):
    """What the way back reads in a worker process. Raises SettingsError, naming the variable."""

    transactions_url: str | None = setting(
        "TRANSACTIONS_URL",
        None,
        secure_url,
        "CM's Transactions API, such as `https://api.cmtelecom.com/v1.2/transactions/`, to be asked of what "
        "is in doubt. Without it receipts and late answers alone settle that.",
    )
    transactions_per_second: int = setting(
        "TRANSACTIONS_PER_SECOND",
        "5",
        whole(1, 100),
        "Most requests to it in a second, of one account, by all workers together. CM tells no limit.",
    )
