"""Capture what the site logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from panel.logging import LOGGING


@contextmanager
def log_lines() -> Iterator[io.StringIO]:
    """Collect the log lines of the block, in the site's own format."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    values = dict(LOGGING["formatters"]["lines"])
    handler.setFormatter(values.pop("()")(**values))
    loggers = [logging.getLogger(name) for name in ("", "django.server")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield stream
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
