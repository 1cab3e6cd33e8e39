"""Parse answers about many orders or refills, and match them to the requested ids.

A row counts only for the id that it names. Rows without ids are never matched by position. An id without a row is
absent from the result: "not answered", not an error of the order. Protocol: the rows "many statuses" and "many
cancels/refills" of "As a client: what must be accepted".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from catalog.upstream.cleaning import parse_id
from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.loading import UNREADABLE, load
from catalog.upstream.parsing import error_text, unwrap
from catalog.upstream.results import (
    NONE_UNDERSTOOD,
    CancelAccepted,
    RefillAccepted,
    RefillStatusRow,
    RowError,
    StatusRow,
)
from catalog.upstream.rows import (
    CANCEL_KEYS,
    REFILL_KEYS,
    read_cancel,
    read_refill,
    read_refill_status,
    read_status,
    refill_code,
)

Row = TypeVar("Row")

_NOBODYS = ","  # no id holds a comma
_ORDER_IDS = ("order", "order_id")
_REFILL_IDS = ("refill", "refill_id")
# Errors about one order: they are the answer if only one was requested.
_ROW_CODES = frozenset(
    (
        ErrorCode.UNKNOWN_ORDER,
        ErrorCode.UNKNOWN_REFILL,
        ErrorCode.REFILL_REFUSED,
        ErrorCode.CANCEL_REFUSED,
    )
)
# What answers are wrapped in, unless it is the field of the answer itself.
_WRAPPERS = ("data", "orders", "refills", "result", "results", "response", "statuses", "cancels", "order")
# Flags and sentences of an answer to one cancel or refill.
_ANSWER_KEYS = ("success", "status", "result", "ok", "message", "msg")


def parse_statuses(
    text: str, asked: Sequence[str], *, currency: str = "", singly: bool = False
) -> dict[str, StatusRow | RowError]:
    """Return the answer of `status` by order id. Raise ProviderRefused or UnreadableAnswer.

    Charges are in `currency` unless they say otherwise. `singly`: the answer is to `order=`, so that a list of one row
    without an id is about it.
    """

    def read(row_id: str, row: object) -> StatusRow | RowError:
        return read_status(row_id, row, currency=currency)

    return _matched(text, asked, _ORDER_IDS, ("status", "charge", "order_status"), read, singly=singly)


def parse_clear_statuses(
    text: str, asked: Sequence[str], *, currency: str = "", singly: bool = False
) -> dict[str, StatusRow | RowError]:
    """Return the answers as `parse_statuses`. Raise UnreadableAnswer if not one of the ids is understood."""
    answers = parse_statuses(text, asked, currency=currency, singly=singly)
    if not any(isinstance(row, StatusRow) or row.is_understood for row in answers.values()):
        raise UnreadableAnswer(NONE_UNDERSTOOD)
    return answers


def parse_cancels(text: str, asked: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
    """Return the answer of `cancel` by order id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _ORDER_IDS, (*CANCEL_KEYS, *_ANSWER_KEYS), read_cancel, has_flags=True)


def parse_refills(text: str, asked: Sequence[str]) -> dict[str, RefillAccepted | RowError]:
    """Return the answer of `refill` by order id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _ORDER_IDS, (*REFILL_KEYS, *_ANSWER_KEYS), read_refill, has_flags=True)


def parse_refill_statuses(text: str, asked: Sequence[str]) -> dict[str, RefillStatusRow | RowError]:
    """Return the answer of `refill_status` by refill id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _REFILL_IDS, ("status", "refill_status"), read_refill_status, classify=refill_code)


def _matched(
    text: str,
    asked: Sequence[str],
    id_keys: tuple[str, ...],
    content_keys: tuple[str, ...],
    read: Callable[[str, object], Row | RowError],
    *,
    classify: Callable[[str], ErrorCode] = classify_error,
    singly: bool = False,
    has_flags: bool = False,
) -> dict[str, Row | RowError]:
    """Return the rows of the requested ids. A dict with one of `content_keys` is a row, not a dict by id.

    With `has_flags`, what is around the row of one id says with it whether a request was accepted.
    """
    data = load(text)
    wanted = frozenset(asked)
    body = unwrap(data, [key for key in _WRAPPERS if key not in wanted])
    if singly and len(wanted) == 1:
        body = _sole_row(body, id_keys)
    if has_flags and len(wanted) == 1 and isinstance(data, dict) and isinstance(body, dict) and not wanted & set(body):
        body = {key: data[key] for key in _ANSWER_KEYS if not isinstance(data.get(key, {}), dict | list)} | body
    results: dict[str, Row | RowError] = {}
    contradicted: set[str] = set()
    for row_id, row in _keyed(body, id_keys):
        if row_id not in wanted:
            continue
        result = read(row_id, row)
        if row is UNREADABLE or results.setdefault(row_id, result) != result:
            contradicted.add(row_id)
    for row_id in contradicted:
        results.pop(row_id, None)
    if results or contradicted:
        return results

    error = error_text(data) or error_text(body)
    if error:
        code = classify(error)
        if code in _ROW_CODES and _own_id(body, id_keys):
            return {}  # another order's
        if len(wanted) == 1 and code in _ROW_CODES:
            (only,) = wanted
            return {only: RowError(only, code, error)}
        raise ProviderRefused(code, error)
    if isinstance(body, list) or body == {}:
        return {}
    if isinstance(body, dict):
        if _own_id(body, id_keys):
            return {}
        if len(wanted) == 1 and any(key in body for key in content_keys):
            (only,) = wanted
            result = read(only, body)
            # A sentence that is no answer is no row: "Maintenance" is about the provider.
            if _is_answer(result) or any(key in body for key in content_keys if key not in ("message", "msg")):
                return {only: result}
        nested = next(filter(None, (error_text(body.get(key)) for key in content_keys)), "")
        if nested:
            raise ProviderRefused(classify(nested), nested)
        if any(isinstance(row, dict) for row in body.values()):
            return {}
        raise UnreadableAnswer(NONE_UNDERSTOOD)
    raise UnreadableAnswer("The answer is neither a list nor an object.")


def _is_answer(result: object) -> bool:
    return not (isinstance(result, RowError) and result.is_malformed)


def _sole_row(body: object, id_keys: tuple[str, ...]) -> object:
    """Return the row of a list of one, if it names no id; else the body as it is."""
    rows = body if isinstance(body, list) else [body["0"]] if isinstance(body, dict) and [*body] == ["0"] else []
    is_sole = len(rows) == 1 and isinstance(rows[0], dict) and not _own_id(rows[0], (*id_keys, "id"))
    return rows[0] if is_sole else body


def _own_id(row: object, id_keys: tuple[str, ...]) -> str:
    """Return the id that a row names; "" if it names none, _NOBODYS if it names several."""
    if not isinstance(row, dict):
        return ""
    values = [row.get(key) for key in id_keys]
    ids = {parse_id(value) for value in values} - {""}
    if len(ids) > 1 or any(value is UNREADABLE for value in values):
        return _NOBODYS
    return next(iter(ids), "")


def _keyed(body: object, id_keys: tuple[str, ...]) -> list[tuple[str, object]]:
    """Return rows with their ids: the id in the row, or its key in a dict by id."""
    if isinstance(body, list):
        return [(_own_id(row, id_keys) or _own_id(row, ("id",)), row) for row in body]
    if not isinstance(body, dict):
        return []
    own = _own_id(body, id_keys)
    if own:
        return [(own, body)]
    # Keys 0, 1, 2, … are positions in a list that PHP turned into an object, not ids. Such a list may have gaps, but it
    # is no longer than the most ids that one call may hold.
    places = frozenset(map(str, range(max(len(body), 100)))) if "0" in body else frozenset()
    rows = []
    for key, row in body.items():
        own = _own_id(row, id_keys)
        key_id = "" if key in places else key.strip()
        if own and key_id and own != key_id:
            continue  # its key and its id differ: it may be either order's
        rows.append((own or key_id, row))
    return rows
