"""The log of the way back: structured lines, as all programs write them."""

from __future__ import annotations

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger("cmqueue.receivers")
