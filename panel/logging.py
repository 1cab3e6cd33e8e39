"""Structured logs. Whatever is logged passes the filter that takes secrets out."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

import structlog

_WORDS = r"(?:api[_-]?key|key|password|passwd|secret|token|authorization|cookie|csrf\w*)"
SECRET_NAME = re.compile(rf"(?:^|[_-]){_WORDS}$", re.I)
SECRET_IN_TEXT = re.compile(
    rf"""(?ix) ((?<![a-z0-9]) (?:\w+[_-])? {_WORDS} (?:\[\w*\])? ["']? \s* [=:] \s* ["']?
    (?:(?:bearer|basic|token)\s+)?)
    ([^\s&"',;}}\]]+)"""
)
PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")
HIDDEN = "[hidden]"


def hide_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
    """structlog processor: hides values under secret names, and `key=…` inside any text."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: str, value: Any) -> Any:
    if SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, dict):
        return {inner: _hidden(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", item) for item in value]
    if value is None or isinstance(value, int | float):
        return value
    # Exceptions, bytes and the like become text in the end: now, so that it is read for secrets.
    text = str(value)
    if "%" in text and SECRET_IN_TEXT.search(unquote(text)):
        text = unquote(text)  # An address that says "%6bey=" says "key=".
    text = SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", text)
    return PASSWORD_IN_URL.sub(rf"\1{HIDDEN}", text)


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
]


def configure_structlog(*, debug: bool) -> None:
    """Sends structlog through the standard library's handlers, so that all lines look alike."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=not debug,
    )


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": SHARED,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                hide_secrets,
                structlog.processors.JSONRenderer(default=str),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django_structlog": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "kombu": {"level": "ERROR"},
        "urllib3": {"level": "WARNING"},
    },
}
