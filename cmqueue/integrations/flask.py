"""cmqueue in Flask: `CmQueue(app)`, settings in `app.config`, and `current_outbox`."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from cmqueue.integrations.process import NAMES, Given, ProcessOutbox, read
from cmqueue.outbox import Outbox

EXTENSION = "cmqueue"


class CmQueue:
    """Flask's extension: one outbox for each app and process, made when it is first used.

    `CmQueue(app)`, or `init_app(app)` later, for any number of apps. Its settings are those of the library,
    `CMQUEUE_REDIS_URL` and so on, from `app.config` and for what is not there from the environment; a wrong
    one raises SettingsError at once. The outbox is closed when the app is gone, or the interpreter ends.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give `app` an outbox. Raises SettingsError."""
        settings = read({name: Given(name, app.config[name]) for name in NAMES if name in app.config})
        process = ProcessOutbox(lambda: Outbox(settings))
        app.extensions[EXTENSION] = process
        weakref.finalize(app, process.close)

    @property
    def outbox(self) -> Outbox:
        """The outbox of the app that handles the request. Raises RuntimeError outside of one."""
        return _of(current_app).get()

    @contextmanager
    def use(self, app: Flask, outbox: Outbox) -> Iterator[Outbox]:
        """Put `outbox` in the place of the app's: a MemoryOutbox, in tests."""
        with _of(app).use(outbox):
            yield outbox


def _of(app: Flask) -> ProcessOutbox:
    found: ProcessOutbox | None = app.extensions.get(EXTENSION)
    if found is None:
        raise RuntimeError("this app has no outbox: call CmQueue(app), or CmQueue().init_app(app)")
    return found


#: The outbox of the app that handles the request.
current_outbox = cast("Outbox", LocalProxy(lambda: _of(current_app).get()))
