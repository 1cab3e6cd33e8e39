"""Parse answers about many orders or refills, and match them to the requested ids.

A row counts only for the id that it names. Rows without ids are never matched by position. An id without a row is
absent from the result: "not answered", not an error of the order. Protocol: the rows "many statuses" and "many
cancels/refills" of "As a client: what must be accepted".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from catalog.upstream.cleaning import clean_text, parse_count, parse_flag, parse_id, parse_number
from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.loading import UNREADABLE, load
from catalog.upstream.parsing import ERROR_TEXT, error_text, is_success, parse_currency, unwrap
from catalog.upstream.results import (
    MALFORMED,
    CancelAccepted,
    OrderStatus,
    RefillAccepted,
    RefillStatus,
    RefillStatusRow,
    RowError,
    StatusRow,
)

Row = TypeVar("Row")

_STATUS_TEXT = 60
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
_STATUSES = {
    **{status.value: status for status in OrderStatus},
    "inprogress": OrderStatus.IN_PROGRESS,
    "complete": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELED,
    "refunded": OrderStatus.CANCELED,
    "partially_completed": OrderStatus.PARTIAL,
    "partial_completed": OrderStatus.PARTIAL,
}
_REFILL_STATUSES = {
    **{status.value: status for status in RefillStatus},
    "inprogress": RefillStatus.IN_PROGRESS,
    "processing": RefillStatus.IN_PROGRESS,
}
_YES = frozenset(("1", "true", "yes", "ok", "success"))


def parse_statuses(text: str, asked: Sequence[str]) -> dict[str, StatusRow | RowError]:
    """Return the answer of `status` by order id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _ORDER_IDS, ("status", "charge"), _status)


def parse_cancels(text: str, asked: Sequence[str]) -> dict[str, CancelAccepted | RowError]:
    """Return the answer of `cancel` by order id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _ORDER_IDS, ("cancel", "success"), _cancel)


def parse_refills(text: str, asked: Sequence[str]) -> dict[str, RefillAccepted | RowError]:
    """Return the answer of `refill` by order id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _ORDER_IDS, ("refill", "success"), _refill)


def parse_refill_statuses(text: str, asked: Sequence[str]) -> dict[str, RefillStatusRow | RowError]:
    """Return the answer of `refill_status` by refill id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _REFILL_IDS, ("status",), _refill_status)


def _matched(
    text: str,
    asked: Sequence[str],
    id_keys: tuple[str, ...],
    content_keys: tuple[str, ...],
    read: Callable[[str, object], Row | RowError],
) -> dict[str, Row | RowError]:
    """Return the rows of the requested ids. A dict with one of `content_keys` is a row, not a dict by id."""
    data = load(text)
    wanted = frozenset(asked)
    body = unwrap(data, [key for key in ("data", "orders", "refills") if key not in wanted])
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
        code = classify_error(error)
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
            return {only: read(only, body)}
        nested = next(filter(None, (error_text(body.get(key)) for key in content_keys)), "")
        if nested:
            raise ProviderRefused(classify_error(nested), nested)
        if any(isinstance(row, dict) for row in body.values()):
            return {}
    raise UnreadableAnswer("The answer speaks of none of the ids.")


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


def _malformed(row_id: str) -> RowError:
    return RowError(row_id, ErrorCode.UNRECOGNIZED, MALFORMED)


def _error(row_id: str, row: object, key: str = "") -> RowError | None:
    """Return the error of a row: a string in its place, an error shape, or an error in its own field."""
    text = clean_text(row, limit=ERROR_TEXT) if isinstance(row, str) else error_text(row)
    if not text and key and isinstance(row, dict):
        text = error_text(row.get(key))
    return RowError(row_id, classify_error(text), text) if text else None


def _status(row_id: str, row: object) -> StatusRow | RowError:
    if error := _error(row_id, row, "status"):
        return error
    if not isinstance(row, dict) or not isinstance(row.get("status"), str):
        return _malformed(row_id)
    text = clean_text(row["status"], limit=_STATUS_TEXT)
    return StatusRow(
        order_id=row_id,
        status=_STATUSES.get(_word(text)),
        status_text=text,
        charge=parse_number(row.get("charge")),
        start_count=parse_count(row.get("start_count")),
        remains=parse_count(row.get("remains")),
        currency=parse_currency(row.get("currency")),
    )


def _word(text: str) -> str:
    return "_".join(text.lower().replace("_", " ").replace("-", " ").split())


def _is_yes(value: object) -> bool:
    return parse_flag(value) or (isinstance(value, str) and value.strip().lower() in _YES)


def _cancel(row_id: str, row: object) -> CancelAccepted | RowError:
    value = row.get("cancel") if isinstance(row, dict) else row
    if _is_yes(value):
        return CancelAccepted(row_id)
    if error := _error(row_id, row, "cancel"):
        return error
    # A sentence in `success` ("Your order will be cancel asap.") means yes: errors were handled above.
    if isinstance(row, dict) and is_success(row.get("success")):
        return CancelAccepted(row_id)
    if value in (0, "0", False, "false"):
        return RowError(row_id, ErrorCode.CANCEL_REFUSED, "")
    return _malformed(row_id)


def _refill(row_id: str, row: object) -> RefillAccepted | RowError:
    if isinstance(row, dict):
        if error := _error(row_id, row, "refill"):
            return error
        value = row.get("refill", row.get("refill_id"))
    else:
        value = row
        # A string with spaces is the order's error; without spaces it is the refill id.
        if isinstance(row, str) and (" " in row.strip() or classify_error(row) != ErrorCode.UNRECOGNIZED):
            text = clean_text(row, limit=ERROR_TEXT)
            return RowError(row_id, classify_error(text), text)
    if refill_id := parse_id(value):
        return RefillAccepted(row_id, refill_id)
    if value is True or (isinstance(row, dict) and is_success(row.get("success"))):
        return RefillAccepted(row_id, "")
    return _malformed(row_id)


def _refill_status(row_id: str, row: object) -> RefillStatusRow | RowError:
    value = row.get("status") if isinstance(row, dict) else row
    text = clean_text(value, limit=_STATUS_TEXT) if isinstance(value, str) else ""
    status = _REFILL_STATUSES.get(_word(text))
    if status is None and (error := _error(row_id, row, "status")):
        return error
    return RefillStatusRow(row_id, status, text) if text else _malformed(row_id)
