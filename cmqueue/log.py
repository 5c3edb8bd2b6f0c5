"""The library's log: structured events on the standard logger `cmqueue`, where a web app's settings rule.

Unlike structlog's default it prints nothing by itself: debug and info go nowhere until the app asks for them.
"""

from __future__ import annotations

import logging
from typing import cast

import structlog

log = cast(
    "structlog.stdlib.BoundLogger",
    structlog.wrap_logger(
        logging.getLogger("cmqueue"),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    ),
)
