"""The list of errands: whatever the way back does in a worker process is a line here."""

from __future__ import annotations

from collections.abc import Callable

from cmqueue.outbox import Outbox
from config.errands import ErrandSettings
from receivers.callbacks.handling import Handling
from receivers.callbacks.posting import Posting
from receivers.callbacks.tidy import Tidy
from receivers.errand import Errand
from receivers.processing import receive
from receivers.reconcile import reconcile

#: Makes an errand of the settings; None where they don't ask for it.
Builder = Callable[[ErrandSettings, Outbox], Errand | None]

#: The most urgent first.
BUILDERS: list[Builder] = [
    receive.build,
    reconcile.build,
    Posting.of,
    Handling.of,
    Tidy.of,
]


def roster(settings: ErrandSettings, outbox: Outbox) -> list[Errand]:
    """The errands that `settings` ask for."""
    made = (build(settings, outbox) for build in BUILDERS)
    return [errand for errand in made if errand is not None]
