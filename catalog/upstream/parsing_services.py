"""Parse the answer of `services`. Protocol: "Actions", and the rows `services`, `type` and flags of "As a client: what
must be accepted".
"""

from __future__ import annotations

from catalog.service_types import known_type
from catalog.upstream.cleaning import (
    clean_name,
    parse_flag,
    parse_id,
    parse_quantity,
    parse_rate,
)
from catalog.upstream.errors import UnreadableAnswer
from catalog.upstream.loading import load
from catalog.upstream.optional_columns import read_optional, type_word
from catalog.upstream.parsing import refuse_error, unwrap
from catalog.upstream.results import ServiceList, ServiceRow, SkippedRow

MAX_NAME = 500
MAX_CATEGORY = 200
MAX_DESCRIPTION = 5_000
_ABSENT = (None, "", "null", "undefined")


class _BadRow(Exception):
    """Reason for skipping a row."""


def parse_services(text: str, *, currency: str = "") -> ServiceList:
    """Return all services of a list, in its order. A bad row is skipped with its reason.

    `currency` is the provider's, if it is known: in some currencies "15.000" is a rate of 15,000.

    Accept a list, {"services": …}, {"data": …} or a dict by id; it may be empty. Raise ProviderRefused or
    UnreadableAnswer.
    """
    data = load(text)
    refuse_error(data)
    body = unwrap(data, ("services", "data"))
    refuse_error(body)
    rows: list[ServiceRow] = []
    skipped: list[SkippedRow] = []
    seen: set[str] = set()
    for position, (key, raw) in enumerate(_listed(body)):
        external_id = key
        try:
            if not isinstance(raw, dict):
                raise _BadRow("the row is no object")
            external_id = parse_id(_first(raw, "service", "id")) or key
            if not external_id:
                raise _BadRow("no usable service id")
            if external_id in seen:
                raise _BadRow("the id is listed twice")
            rows.append(_service(external_id, raw, currency))
            seen.add(external_id)
        except _BadRow as problem:
            skipped.append(SkippedRow(position, external_id, str(problem)))
    return ServiceList(tuple(rows), tuple(skipped))


def _listed(body: object) -> list[tuple[str, object]]:
    """Return each row with the id from its place: "" in a list, the key in a dict by id."""
    if isinstance(body, list):
        return [("", row) for row in body]
    if not isinstance(body, dict):
        raise UnreadableAnswer("The answer is no list of services.")
    if body and not any(isinstance(row, dict) for row in body.values()):
        raise UnreadableAnswer("The answer is no list of services.")
    # Keys 0, 1, 2, … are positions in a list that PHP turned into an object, not ids.
    positional = "0" in body
    return [("" if positional else parse_id(key), row) for key, row in body.items()]


def _first(raw: dict[str, object], *keys: str) -> object:
    return next((raw[key] for key in keys if raw.get(key) not in _ABSENT), None)


def _service(external_id: str, raw: dict[str, object], currency: str) -> ServiceRow:
    word = type_word(raw)
    name = clean_name(raw.get("name"), limit=MAX_NAME)
    if not name:
        raise _BadRow("no name")
    rate = parse_rate(raw.get("rate"), currency=currency)
    if rate is None or rate < 0:
        raise _BadRow("the rate is no price")
    # The quantity of a package is 1, and most panels leave its limits out. A word that nobody knows yet may mean one.
    most = 1 if "package" in word or not known_type(word) else None
    low, high = _limit(raw, "min", 1), _limit(raw, "max", most)
    if low > high:
        raise _BadRow("min is above max")
    return ServiceRow(
        external_id=external_id,
        name=name,
        category=clean_name(raw.get("category"), limit=MAX_CATEGORY),
        type=word,
        rate=rate,
        min=low,
        max=high,
        refill=parse_flag(raw.get("refill")),
        cancel=parse_flag(raw.get("cancel")),
        dripfeed=parse_flag(raw.get("dripfeed")),
        description=clean_name(_first(raw, "desc", "description"), limit=MAX_DESCRIPTION, multiline=True),
        **read_optional(raw, name=name, low=low, high=high),
    )


def _limit(raw: dict[str, object], key: str, default: int | None) -> int:
    value = _first(raw, key)
    count = default if value is None else parse_quantity(value)
    if count is None or count < 0:
        raise _BadRow(f"{key} is no quantity")
    return count
