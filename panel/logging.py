"""Structured logs. Everything logged is truncated and filtered for secrets.

Logs contain foreign text: paths, headers, answers. So the filter's patterns run in linear time: they try a name
once, from its start, and never backtrack.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

import structlog

# Characters of a text, and of a line of a traceback.
MAX_TEXT = 500
# Characters of a traceback that are filtered.
MAX_TRACEBACK = 100_000
# Lines of a traceback.
MAX_LINES = 150
MAX_DEPTH = 6
# Items of a logged dict or list, including nested ones.
MAX_ITEMS = 100
MAX_BITS = 128
# Of the secrets that are hidden by their value, those that this process used last. A shorter one may be a word.
MAX_KNOWN = 300
MIN_KNOWN_LENGTH = 8
HIDDEN = "[hidden]"
CUT = " …"

# After "_" or "-" or alone: "key" also matches "api_key" and "api-key". "csrf" may begin a longer word.
_WORDS = r"(?:apikey|key|password|passwd|secret|token|authorization|cookie)"
_VALUE = r"""[^\s&"',;}\]]"""
SECRET_NAME = re.compile(rf"(?<![^_-]){_WORDS}$|(?<!\w)(?=\w++$)\w*?(?<![^_-])csrf", re.I)
SECRET_IN_TEXT = re.compile(
    rf"""(?ix) (
    (?<![\w-]) (?>[\w-]*-)?+  # The name up to its last hyphen, then the rest of it up to its end.
    (?>\w*? (?<![a-z0-9]) (?:{_WORDS}(?!\w)|csrf\w*+))
    (?:\[\w*+\])?+ ["']?+ \s*+ [=:] \s*+ ["']?+
    (?:(?:bearer|basic|token)\s++(?={_VALUE}))?+ (?!{re.escape(HIDDEN)})
    ) {_VALUE}++"""
)
# In a truncated text, its end counts as the "@".
PASSWORD_IN_URL = re.compile(rf"(://[^\s/:@]*+:)[^\s/@]++(?=@|{re.escape(CUT)}(?!.))")
# Whoever has such a link can set a password or confirm an address.
LIVE_LINK = re.compile(r"""(/(?:reset/key|confirm-email|invitation)/)[^\s/?#"']++""")
# A part of a path that looks like a key: long, with letters and digits, and not the name of a file.
KEY_IN_PATH = re.compile(r"(?<=/)(?=[A-Za-z_~%+=-]*+[0-9])(?=[0-9_~+=-]*+[A-Za-z%])[A-Za-z0-9_~%+=-]{24,}+(?!\.\w)")
_TRACEBACKS = ("exception", "stack")

# Each known secret with the forms in which it may stand in a text. Replaced as a whole, so that readers need no lock.
_known: Mapping[str, frozenset[str]] = {}
_is_adding = threading.Lock()


def never_log(secret: str) -> None:
    """Hide this text in the logs of this process from now on: in a path, in a header, in a traceback, anywhere."""
    global _known
    if len(secret) < MIN_KNOWN_LENGTH or secret in _known:
        return
    escaped = (json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1])
    forms = frozenset((secret, *escaped, secret.replace("/", "\\/"), secret.replace(" ", "+")))
    with _is_adding:
        newest = list(_known.items())[1 - MAX_KNOWN :]
        _known = {**dict(newest), secret: forms}


def hide_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
    """Return the event without values under secret names and without `key=…` inside any text: a structlog processor."""
    return {name: _of_event(name, value) for name, value in event.items()}


def without_secrets(text: str) -> str:
    """Return the text as the log would have it: without secrets, and cut if it is long."""
    return _traceback(text)


def _of_event(name: str, value: Any) -> Any:
    if name in _TRACEBACKS and isinstance(value, str):
        return _traceback(value)
    return _hidden(name, value, 0, iter(range(MAX_ITEMS)))


def _hidden(name: str, value: Any, depth: int, left: Iterator[int]) -> Any:
    """Return what to log of `value`; `left` yields one number for each nested value still allowed."""
    if SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, dict | list | tuple):
        return _nested(value, depth + 1, left)
    if value is None or isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= MAX_BITS):
        return value
    # Exceptions, bytes and the like are logged as text: convert them now, so that they are filtered.
    return _filtered(_text(value))


def _nested(value: Any, depth: int, left: Iterator[int]) -> Any:
    if depth > MAX_DEPTH:
        return CUT.strip()
    if not isinstance(value, dict):
        items = [_hidden("", item, depth, left) for item, _ in zip(value, left, strict=False)]
        return items if len(items) == len(value) else [*items, CUT.strip()]
    named = {}
    for (inner, item), _ in zip(value.items(), left, strict=False):
        name = _text(inner)
        named[_filtered(name)] = _hidden(name, item, depth, left)
    return named if len(named) == len(value) else {**named, CUT.strip(): CUT.strip()}


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # For example, a value nested too deeply. The logging module would print it with its secrets.
        return f"[{type(value).__name__}]"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT


def _filtered(text: str) -> str:
    # Known secrets first: one that is cut would not be recognized. Well beyond the cut, since encoding makes it longer.
    return _without_secrets(_cut(_without_known(text[: MAX_TEXT * 10])))


def _without_known(text: str) -> str:
    """Return the text without the known secrets, also where percent-encoding, once or twice, conceals them."""
    known = _known
    if not known:
        return text
    shown = form = text
    for _ in range(3):
        hidden = form
        for forms in known.values():
            for one in forms:
                if one in hidden:
                    hidden = hidden.replace(one, HIDDEN)
        if hidden != form:
            shown = form = hidden
        if (decoded := unquote(form)) == form:
            break
        form = decoded
    return shown


def _without_secrets(text: str) -> str:
    # An address with "%6bey=" means "key="; so does "%256bey=" where a request's address was encoded again.
    once = unquote(text)
    text = SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", once if SECRET_IN_TEXT.search(once) else text)
    twice = unquote(unquote(text))
    if SECRET_IN_TEXT.search(twice):
        text = SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", twice)
    text = LIVE_LINK.sub(rf"\1{HIDDEN}", PASSWORD_IN_URL.sub(rf"\1{HIDDEN}", text))
    return KEY_IN_PATH.sub(HIDDEN, text)


def _traceback(text: str) -> str:
    """Return its first and last lines. Truncate after filtering: a secret may stand on the line after its name."""
    if len(text) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        # Known secrets before the cut, where they would not be recognized.
        begin, end = _without_known(text[:MAX_TRACEBACK])[:half], _without_known(text[-MAX_TRACEBACK:])[-half:]
        # First its own secrets. Then its beginning, which may be a secret whose name is cut off.
        end = _without_secrets(end.partition("\n")[2])
        text = f"{begin}{CUT}\nsecret: {end}"
    else:
        text = _without_known(text)
    lines = [_cut(line) for line in _without_secrets(text).split("\n")]
    if len(lines) > MAX_LINES:
        first, last = lines[: MAX_LINES // 3], lines[-(MAX_LINES - MAX_LINES // 3) :]
        lines = [*first, f"… {len(lines) - MAX_LINES:,} lines …", *last]
    return "\n".join(lines)


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
    """Route structlog through the standard library's handlers, so that all lines look alike."""
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
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "lines"},
        "alerts": {"class": "panel.alerts.errors.handler.AlertHandler", "level": "ERROR"},
    },
    "root": {"handlers": ["console", "alerts"], "level": "INFO"},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django_structlog": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "kombu": {"level": "ERROR"},
        # Its warnings hold the whole address, which with GET has the API key in it.
        "urllib3": {"level": "ERROR"},
    },
}
