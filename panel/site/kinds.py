"""Kinds of settings. Each reads its text in one way, whoever wrote it: the form, the environment or the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse

from panel.lib.crypto import Undecryptable, decrypt, encrypt
from panel.site import stored

log = structlog.get_logger(__name__)

T = TypeVar("T")

# As the environment was always read.
_YES = ("true", "on", "ok", "y", "yes", "1")
_NO = ("false", "off", "n", "no", "0")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOT_IN_LINKS = re.compile(r"[\s\"'<>\\]")


class Setting(Generic[T]):
    """One setting. `value` is what holds now: the environment's, else the stored one, else the default.

    Subclasses define `parse`, which raises ValueError with a sentence for the field, and `text_of`, its inverse.
    """

    # How the form shows it.
    widget: ClassVar[str] = "text"
    is_secret: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        label: str,
        *,
        default: T,
        help: str = "",
        unit: str = "",
        touches_money: bool = False,
        environment: str = "",
    ) -> None:
        """`environment` is the variable that wins over it, if it is not called like the setting."""
        self.name = name
        self.label = label
        self.default = default
        self.help = help
        self.unit = unit
        self.touches_money = touches_money
        self.environment = environment or name
        self._read: tuple[str, T] | None = None

    def parse(self, text: str) -> T:
        raise NotImplementedError

    def text_of(self, value: T) -> str:
        """Return the text that `parse` reads as `value`."""
        return str(value)

    def shown(self, value: T) -> str:
        """Return `value` for people, with its unit."""
        text = self.text_of(value)
        return f"{text} {self.unit}" if self.unit and text else text or "empty"

    def to_store(self, value: T) -> str:
        """Return what the database keeps of `value`."""
        return self.text_of(value)

    def from_stored(self, text: str) -> T:
        """Return the value of a stored text. Raise ValueError if it is no longer accepted."""
        return self.parse(text)

    @property
    def environment_text(self) -> str | None:
        """The text that the environment gives, or None: then the page may change the setting."""
        given = getattr(settings, self.environment, None)
        if given is None:
            return None
        if isinstance(given, bool):
            return "true" if given else "false"
        return ",".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)

    @property
    def is_locked(self) -> bool:
        return self.environment_text is not None

    @property
    def value(self) -> T:
        if (given := self.environment_text) is not None:
            return self._parsed(given, is_stored=False)
        return self.value_in(stored.texts())

    def value_in(self, texts: Mapping[str, str]) -> T:
        """Return the value under these stored texts. What is refused counts as the default, with a line in the log."""
        if (given := self.environment_text) is not None:
            return self._parsed(given, is_stored=False)
        text = texts.get(self.name)
        return self.default if text is None else self._parsed(text, is_stored=True)

    def _parsed(self, text: str, *, is_stored: bool) -> T:
        if (read := self._read) is not None and read[0] == text:
            return read[1]
        try:
            value = self.from_stored(text) if is_stored else self.parse(text)
        except ValueError as error:
            log.warning("setting refused", setting=self.name, error=str(error))
            value = self.default
        self._read = text, value
        return value


class Text(Setting[str]):
    """One line of text."""

    def __init__(
        self, name: str, label: str, *, default: str, max_length: int = 200, is_required: bool = False, **rest: str
    ) -> None:
        super().__init__(name, label, default=default, **rest)  # type: ignore[arg-type]
        self.max_length = max_length
        self.is_required = is_required

    def parse(self, text: str) -> str:
        text = text.strip()
        if not text.isprintable():
            raise ValueError("Use one line, without control characters.")
        if len(text) > self.max_length:
            raise ValueError(f"Use at most {self.max_length} characters.")
        if self.is_required and not text:
            raise ValueError("This must not be empty.")
        return text


class Lines(Text):
    """A few lines of text. An environment without line breaks writes them as "\\n"."""

    widget = "lines"
    MAX_LINES = 8

    def parse(self, text: str) -> str:
        lines = [line.strip() for line in text.strip().replace("\\n", "\n").splitlines()]
        if len(lines) > self.MAX_LINES:
            raise ValueError(f"Use at most {self.MAX_LINES} lines.")
        if not all(line.isprintable() for line in lines):
            raise ValueError("Use text without control characters.")
        return super().parse(" ".join(lines)) and "\n".join(lines)

    def shown(self, value: str) -> str:
        return value.replace("\n", ", ") or "empty"


class HeaderText(Text):
    """Text for a header of HTTP, which carries ASCII alone."""

    def parse(self, text: str) -> str:
        text = super().parse(text)
        if not text.isascii():
            raise ValueError("Use letters from A to Z, digits and signs: HTTP carries no others here.")
        return text


class EmailText(Text):
    """An e-mail address, or nothing."""

    def parse(self, text: str) -> str:
        text = super().parse(text)
        try:
            if text:
                validate_email(text)
        except ValidationError:
            raise ValueError("Enter an e-mail address such as help@example.com.") from None
        return text


class LinkText(Text):
    """An https address, or nothing."""

    def parse(self, text: str) -> str:
        text = super().parse(text)
        try:
            parts = urlsplit(text)
            is_link = parts.scheme == "https" and bool(parts.hostname) and not _NOT_IN_LINKS.search(text)
        except ValueError:
            is_link = False
        if text and not is_link:
            raise ValueError("Enter an address that begins with https://, such as https://t.me/yourname.")
        return text


class Flag(Setting[bool]):
    """Yes or no."""

    widget = "flag"

    def parse(self, text: str) -> bool:
        word = text.strip().lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
        raise ValueError("Enter true or false.")

    def text_of(self, value: bool) -> str:
        return "true" if value else "false"

    def shown(self, value: bool) -> str:
        return "Yes" if value else "No"


class Number(Setting[int]):
    """A whole number from `least` to `most`."""

    widget = "number"
    step = "1"

    def __init__(
        self, name: str, label: str, *, default: int, least: int, most: int, touches_money: bool = False, **rest: str
    ) -> None:
        super().__init__(name, label, default=default, touches_money=touches_money, **rest)
        self.least = least
        self.most = most

    def parse(self, text: str) -> int:
        text = text.strip()
        if not re.fullmatch(r"-?[0-9]{1,15}", text):
            raise ValueError("Enter a whole number.")
        value = int(text)
        if not self.least <= value <= self.most:
            raise ValueError(f"Enter a number from {self.least:,} to {self.most:,}.")
        return value

    def shown(self, value: int) -> str:
        unit = self.unit.removesuffix("s") if value == 1 else self.unit
        return f"{value:,} {unit}".strip()


class Seconds(Setting[float]):
    """Seconds, with a fraction where one is wanted."""

    widget = "number"
    step = "any"

    def __init__(self, name: str, label: str, *, default: float, least: float, most: float, **rest: bool | str) -> None:
        super().__init__(name, label, default=default, unit="seconds", **rest)  # type: ignore[arg-type]
        self.least = least
        self.most = most

    def parse(self, text: str) -> float:
        text = text.strip()
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
            raise ValueError("Enter a number of seconds, such as 60 or 2.5.")
        value = float(text)
        if not self.least <= value <= self.most:
            raise ValueError(f"Enter seconds from {self.least:g} to {self.most:g}.")
        return value

    def text_of(self, value: float) -> str:
        return f"{value:.6f}".rstrip("0").rstrip(".")


class Choice(Setting[str]):
    """One of `choices`, pairs of the value and its label."""

    widget = "choice"

    def __init__(self, name: str, label: str, *, default: str, choices: Sequence[tuple[str, str]], **rest: str) -> None:
        super().__init__(name, label, default=default, **rest)  # type: ignore[arg-type]
        self.choices = tuple(choices)

    def parse(self, text: str) -> str:
        word = text.strip()
        if word not in dict(self.choices):
            raise ValueError(f"Choose one of: {', '.join(value for value, _ in self.choices)}.")
        return word

    def shown(self, value: str) -> str:
        return dict(self.choices)[value]


class Colour(Setting[str]):
    """A colour as #rrggbb."""

    widget = "colour"

    def parse(self, text: str) -> str:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            raise ValueError("Enter a colour such as #4f46e5.")
        return text.lower()


class SecondsList(Setting[tuple[int, ...]]):
    """Several numbers of seconds, commas between."""

    MAX_COUNT = 12
    # A refund waits for the next poll.
    MAX_SECONDS = 6 * 3_600

    def parse(self, text: str) -> tuple[int, ...]:
        parts = [part.strip() for part in text.split(",")]
        if not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
            raise ValueError("Enter whole seconds with commas between, such as 60,300,900.")
        seconds = tuple(map(int, parts))
        if not all(1 <= one <= self.MAX_SECONDS for one in seconds):
            raise ValueError(f"Enter seconds from 1 to {self.MAX_SECONDS:,}, without thousands separators.")
        if len(seconds) > self.MAX_COUNT:
            raise ValueError(f"Enter at most {self.MAX_COUNT} numbers.")
        return seconds

    def text_of(self, value: tuple[int, ...]) -> str:
        return ",".join(map(str, value))

    def shown(self, value: tuple[int, ...]) -> str:
        return f"{', '.join(f'{one:,}' for one in value)} seconds"


class SameWords(Setting[tuple[tuple[str, ...], ...]]):
    """Words that mean the same: one meaning on each line, commas or equals signs between its words."""

    widget = "lines"
    MAX_LINES = 200
    max_length = 10_000

    def parse(self, text: str) -> tuple[tuple[str, ...], ...]:
        if len(text) > self.max_length:
            raise ValueError(f"Use at most {self.max_length:,} characters.")
        # The environment has one line: there a semicolon ends a meaning.
        lines = [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]
        if len(lines) > self.MAX_LINES:
            raise ValueError(f"Write at most {self.MAX_LINES} lines.")
        return tuple(self._words(line) for line in lines)

    def _words(self, line: str) -> tuple[str, ...]:
        words = tuple(word.strip() for word in line.replace("=", ",").split(",") if word.strip())
        if len(words) < 2 or not line.isprintable():
            raise ValueError("Write at least two words on each line, such as: takipçi = followers.")
        return words

    def text_of(self, value: tuple[tuple[str, ...], ...]) -> str:
        return "\n".join(" = ".join(words) for words in value)

    def shown(self, value: tuple[tuple[str, ...], ...]) -> str:
        return "; ".join(" = ".join(words) for words in value) or "none"


class Rate(Setting[str]):
    """Requests per second, minute, hour or day, as 1200/m."""

    def parse(self, text: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,11}/[smhd]", text):
            raise ValueError("Enter requests per s, m, h or d, such as 1200/m.")
        return text

    def shown(self, value: str) -> str:
        count, _, unit = value.partition("/")
        words = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
        return f"{int(count):,} a {words[unit]}"


class Secret(Setting[str]):
    """Text that is stored encrypted, and that no page shows again."""

    widget = "secret"
    is_secret = True
    MAX_LENGTH = 500

    def parse(self, text: str) -> str:
        text = text.strip()
        if len(text) > self.MAX_LENGTH or not text.isprintable():
            raise ValueError(f"Use one line of at most {self.MAX_LENGTH} characters.")
        return text

    def shown(self, value: str) -> str:
        return "set" if value else "not set"

    def to_store(self, value: str) -> str:
        return encrypt(value)

    def from_stored(self, text: str) -> str:
        try:
            return decrypt(text)
        except Undecryptable as error:
            raise ValueError(str(error)) from None


class File(Setting[str]):
    """An uploaded file by the digest of its bytes; from the environment, an address under this site."""

    widget = "file"

    def __init__(self, name: str, label: str, *, types: Sequence[str], **rest: str) -> None:
        """`types` are content types of `panel.site.files`."""
        super().__init__(name, label, default="", **rest)  # type: ignore[arg-type]
        self.types = tuple(types)

    def parse(self, text: str) -> str:
        text = text.strip()
        if len(text) > 500 or not text.isprintable():
            raise ValueError("Enter an address under this site, such as /static/my-logo.svg.")
        return text

    def from_stored(self, text: str) -> str:
        if not _DIGEST.fullmatch(text):
            raise ValueError("This is not the digest of an uploaded file.")
        return text

    @property
    def url(self) -> str:
        """The address of the file that holds now; "" without one."""
        value = self.value
        return reverse("site_file", args=[value]) if _DIGEST.fullmatch(value) else value

    def shown(self, value: str) -> str:
        return "a file" if value else "none"
