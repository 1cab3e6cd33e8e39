"""How a provider's API differs from the standard, as settings. Pure.

A dialect decides how requests are sent: names, method, address, the key's place. `standard_text` applies the part about
answers. Whatever a dialect says, `add`, `cancel` and `refill` are sent by POST.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urljoin, urlsplit

from catalog.upstream.results import OrderStatus

READING = ("balance", "services", "status", "refill_status")
ACTING = ("add", "cancel", "refill")

# Parameters that may have another name, by what is sent together: two of them must not share a name.
_ALWAYS = ("key", "action")
_OF_ADD = (
    *("service", "link", "quantity", "runs", "interval", "comments", "username", "usernames", "hashtag", "hashtags"),
    *("media", "answer_number", "groups", "keywords", "country", "device", "type_of_traffic", "google_keyword"),
    *("referring_url", "min", "max", "posts", "old_posts", "delay", "expiry"),
)
_IDS = ("order", "orders", "refill", "refills")
NAMED = (*_ALWAYS, *_OF_ADD, *_IDS)

# Seconds.
CONNECT_TIMEOUTS = (1, 60)
# Such that all calls about one batch are shorter than its lease.
READ_TIMEOUTS = (5, 55)
ADD_TIMEOUTS = (1, 3_600)
MAX_A_MINUTE = 6_000
MAX_ADDRESS = 300
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")
_CODE = re.compile(r"-?[0-9]{1,4}")
# Headers that the panel sets itself, or that say how the request travels.
_TAKEN_HEADERS = frozenset(
    ("host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection", "cookie")
    + ("transfer-encoding", "expect", "te", "trailer", "upgrade", "keep-alive", "proxy-authorization")
)
# What may stand before the key in its header. Anything else may be a key that was entered by mistake.
_SCHEMES = frozenset(("bearer", "token", "key", "apikey", "api-key"))


class DialectError(ValueError):
    """A setting that cannot be used. `setting` is the field of Dialect; the message is for staff."""

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(text)
        self.setting = setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The standard, unless set otherwise. Raise DialectError for a setting that cannot be used.

    - `names`: names of parameters by those of the standard, such as {"link": "url"}
    - `key_header`: the header that carries the key instead of a parameter: "X-Api-Key", "Authorization: Bearer"
    - `get_actions`: reading actions that are sent by GET
    - `addresses`: paths ("/api/status") or whole addresses by action; the others use the main one
    - `requests_a_minute`: the most that all processes together send; None: no limit
    - `connect_timeout`, `read_timeout`, `add_timeout`: seconds; None: as usual
    - `asks_singly`: it knows no lists of ids
    - `status_codes`: what its numbers for the status of an order mean, as the standard's words: {"3": "completed"}
    - `any_case`: names in its answers may differ from the standard's in case ("Status", "StartCount")
    """

    names: Mapping[str, str] = field(default_factory=dict)
    key_header: str = ""
    get_actions: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    requests_a_minute: int | None = None
    connect_timeout: int | None = None
    read_timeout: int | None = None
    add_timeout: int | None = None
    asks_singly: bool = False
    status_codes: Mapping[str, str] = field(default_factory=dict)
    any_case: bool = False

    def __post_init__(self) -> None:
        self._check_names()
        self._check_header()
        self._check_addresses()
        if acting := sorted(self.get_actions - set(READING)):
            raise DialectError("get_actions", f"{acting[0]} can only be sent by POST.")
        for code, word in self.status_codes.items():
            if not _CODE.fullmatch(code):
                raise DialectError("status_codes", f"“{code}” is no number of at most four digits.")
            if word not in list(OrderStatus):
                raise DialectError("status_codes", f"“{word}” is no status. Use one of: {status_words()}.")
        for name, (low, high), unit in (
            ("requests_a_minute", (1, MAX_A_MINUTE), ""),
            ("connect_timeout", CONNECT_TIMEOUTS, " seconds"),
            ("read_timeout", READ_TIMEOUTS, " seconds"),
            ("add_timeout", ADD_TIMEOUTS, " seconds"),
        ):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not low <= value <= high):
                raise DialectError(name, f"Enter {low:,} to {high:,}{unit}, or leave it empty.")

    # -- requests ------------------------------------------------------------------------------------

    def name(self, parameter: str) -> str:
        """Return the provider's name of a parameter."""
        return self.names.get(parameter, parameter)

    def method(self, action: str) -> str:
        """Return "GET" or "POST": always POST for an action that changes something."""
        return "GET" if action in READING and action in self.get_actions else "POST"

    def address(self, url: str, action: str) -> str:
        """Return the address for an action, where `url` is the provider's main one."""
        return urljoin(url.strip(), self.addresses[action]) if action in self.addresses else url

    def all_addresses(self, url: str) -> list[str]:
        """Return each address that requests go to, the main one first."""
        return list(dict.fromkeys([url, *(self.address(url, action) for action in self.addresses)]))

    def form(self, action: str, params: Mapping[str, str], *, api_key: str) -> dict[str, str]:
        """Return the parameters of a request under the provider's names, with the key unless it is in a header.

        Raise ValueError if `params` hold the key or the action, or two of them would have the same name.
        """
        if "key" in params or "action" in params:
            raise ValueError("The parameters may not name the key or the action.")
        whole = {"action": action, **params} if self.key_header else {"key": api_key, "action": action, **params}
        form = {self.name(parameter): value for parameter, value in whole.items()}
        if len(form) < len(whole):
            raise ValueError("Two parameters have the same name.")
        return form

    def headers(self, *, api_key: str) -> dict[str, str]:
        """Return the headers that carry the key. Raise ValueError if it cannot be in a header."""
        if not self.key_header:
            return {}
        if not api_key.isascii() or not api_key.isprintable():
            raise ValueError("The API key has characters that cannot be sent in a header.")
        name, _, scheme = self.key_header.partition(":")
        return {name.strip(): f"{scheme.strip()} {api_key}".strip()}

    # -- checks --------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        for parameter, name in self.names.items():
            if parameter not in NAMED:
                raise DialectError("names", f"“{parameter}” is no parameter of the standard that has another name.")
            if not _NAME.fullmatch(name):
                raise DialectError("names", f"“{name}”: use at most 40 letters, digits, _ and -.")
        for together in ((*_ALWAYS, *_OF_ADD), *((*_ALWAYS, one) for one in _IDS)):
            seen: dict[str, str] = {}
            for parameter in together:
                if other := seen.get(self.name(parameter)):
                    raise DialectError("names", f"{other} and {parameter} would both be “{self.name(parameter)}”.")
                seen[self.name(parameter)] = parameter

    def _check_header(self) -> None:
        if not self.key_header:
            return
        name, colon, scheme = (part.strip() for part in self.key_header.partition(":"))
        if not _HEADER.fullmatch(name):
            raise DialectError("key_header", "Enter the name of a header, such as X-Api-Key.")
        if name.lower() in _TAKEN_HEADERS:
            raise DialectError("key_header", f"{name} cannot carry the key: the panel sets it itself.")
        if colon and scheme.lower() not in _SCHEMES:
            raise DialectError(
                "key_header", "After the colon, enter Bearer or Token alone. The key is added, and is not entered here."
            )

    def _check_addresses(self) -> None:
        for action, address in self.addresses.items():
            if action not in (*READING, *ACTING):
                raise DialectError("addresses", f"“{action}” is no action. Use one of: {', '.join(READING + ACTING)}.")
            is_path = address.startswith("/") and not address.startswith("//")
            parts = urlsplit(address)
            if not is_path and (parts.scheme not in ("https", "http") or not parts.hostname):
                raise DialectError("addresses", f"{action}: enter a path such as /api/{action}, or a whole address.")
            is_plain = address.isascii() and address.isprintable() and not {" ", "\\", "#"} & set(address)
            if not is_plain or len(address) > MAX_ADDRESS:
                raise DialectError("addresses", f"{action}: the address has characters that none has, or is too long.")
            if parts.username is not None or parts.password is not None:
                raise DialectError("addresses", f"{action}: an address may hold no user name or password.")


def status_words() -> str:
    """Return the words that a status number may mean, for staff."""
    return ", ".join(status.value.replace("_", " ").capitalize() for status in OrderStatus)


# -- stored form ---------------------------------------------------------------------------------------

STANDARD = Dialect()


def dialect_to_json(dialect: Dialect) -> dict[str, Any]:
    """Return the settings that differ from the standard, for JSON."""
    stored: dict[str, Any] = {}
    for one in fields(Dialect):
        value = getattr(dialect, one.name)
        if value != getattr(STANDARD, one.name):
            stored[one.name] = sorted(value) if isinstance(value, frozenset) else value
    return stored


def dialect_from_json(stored: object) -> Dialect:
    """Return the dialect of stored settings; None is the standard.

    Raise DialectError for what this version does not know: sent without it, a request might do something else.
    """
    if stored is None:
        return STANDARD
    known = {one.name: getattr(STANDARD, one.name) for one in fields(Dialect)}
    if not isinstance(stored, dict) or not stored.keys() <= known.keys():
        raise DialectError("names", "How this provider speaks is stored in a form that this version does not know.")
    values: dict[str, Any] = {}
    for name, value in stored.items():
        values[name] = _of_kind(name, value, known[name])
    return Dialect(**values)


def _of_kind(name: str, value: object, standard: object) -> object:
    """Return the value of a setting if it is of the kind that `standard` is of. Raise DialectError."""
    if isinstance(standard, frozenset) and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return frozenset(value)
    if isinstance(standard, dict) and isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        return value
    if standard is None or (type(value) is type(standard) and isinstance(value, str | bool)):
        return value
    raise DialectError(name, "This setting is stored in a form that this version does not know.")
