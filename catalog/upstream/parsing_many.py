"""Parse answers about many orders or refills, and match them to the requested ids.

A row counts only for the id that it names. Rows without ids are never matched by position. An id without a row is
absent from the result: "not answered", not an error of the order. Protocol: the rows "many statuses" and "many
cancels/refills" of "As a client: what must be accepted".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from catalog.upstream.cleaning import parse_id
from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.loading import UNREADABLE, load
from catalog.upstream.parsing import error_text
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
# Names of ids in lower case and without separators. "id" is one where no other is.
_ORDER_IDS = frozenset(("order", "orderid", "ordernumber", "orderno", "ordernum"))
_REFILL_IDS = frozenset(("refill", "refillid", "refillnumber", "refillno"))
_SEPARATORS = str.maketrans("", "", "_- ")
_LONGEST_NAME = 32
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
    content = (*REFILL_KEYS, *_ANSWER_KEYS)
    # An "id" in them is the refill's.
    return _matched(text, asked, _ORDER_IDS, content, read_refill, has_flags=True, bare_ids=False)


def parse_refill_statuses(text: str, asked: Sequence[str]) -> dict[str, RefillStatusRow | RowError]:
    """Return the answer of `refill_status` by refill id. Raise ProviderRefused or UnreadableAnswer."""
    return _matched(text, asked, _REFILL_IDS, ("status", "refill_status"), read_refill_status, classify=refill_code)


def _matched(
    text: str,
    asked: Sequence[str],
    names: frozenset[str],
    content_keys: tuple[str, ...],
    read: Callable[[str, object], Row | RowError],
    *,
    classify: Callable[[str], ErrorCode] = classify_error,
    singly: bool = False,
    has_flags: bool = False,
    bare_ids: bool = True,
) -> dict[str, Row | RowError]:
    """Return the rows of the requested ids. A dict with one of `content_keys` is a row, not a dict by id.

    `names` are those of ids, and with `bare_ids` also "id". What names another id, in any object around it, is about
    that one: nothing is answered.

    With `has_flags`, what is around the row of one id says with it whether a request was accepted.
    """
    data = load(text)
    wanted = frozenset(asked)
    layers = _layers(data, [key for key in _WRAPPERS if key not in wanted])
    body = layers[-1]
    is_others = any(_own_id(layer, names, bare=False) not in ("", *wanted) for layer in layers)
    may_be_others = is_others or _names_others(layers, names, wanted, bare=bare_ids)
    if singly and len(wanted) == 1:
        body = _sole_row(body, names)
    if has_flags and len(wanted) == 1 and isinstance(data, dict) and isinstance(body, dict) and not wanted & set(body):
        body = {key: data[key] for key in _ANSWER_KEYS if not isinstance(data.get(key, {}), dict | list)} | body
    results: dict[str, Row | RowError] = {}
    contradicted: set[str] = set()
    for row_id, row in [] if is_others else _keyed(body, names, wanted, bare=bare_ids):
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
        if code in _ROW_CODES and may_be_others:
            return {}  # another order's
        if len(wanted) == 1 and code in _ROW_CODES:
            (only,) = wanted
            return {only: RowError(only, code, error)}
        raise ProviderRefused(code, error)
    if isinstance(body, list) or body == {} or may_be_others:
        return {}
    if isinstance(body, dict):
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


def _layers(data: object, wrappers: Sequence[str]) -> list[object]:
    """Return the answer and what is wrapped in it, at most two levels deep, the innermost last."""
    layers = [data]
    while isinstance(data, dict) and len(layers) < 3:
        data = next((data[key] for key in wrappers if isinstance(data.get(key), dict | list)), None)
        if data is None:
            break
        layers.append(data)
    return layers


def _names_others(layers: Sequence[object], names: frozenset[str], wanted: frozenset[str], *, bare: bool) -> bool:
    """Return True if one of the objects, or a field of the innermost, names an id that was not requested."""
    body = layers[-1]
    fields = [value for key, value in body.items() if key not in wanted] if isinstance(body, dict) else []
    named = [_own_id(layer, names, bare=bare) for layer in layers]
    # "id" in a field may be that of a cancel: {"cancel": {"id": 77}}.
    named += [_own_id(field, names, bare=False) for field in fields]
    return not wanted.issuperset(filter(None, named))


def _sole_row(body: object, names: frozenset[str]) -> object:
    """Return the row of a list of one, if it names no id; else the body as it is."""
    rows = body if isinstance(body, list) else [body["0"]] if isinstance(body, dict) and [*body] == ["0"] else []
    is_sole = len(rows) == 1 and isinstance(rows[0], dict) and not _own_id(rows[0], names, bare=True)
    return rows[0] if is_sole else body


def _own_id(row: object, names: frozenset[str], *, bare: bool) -> str:
    """Return the id that a row names, with `bare` also as "id"; "" if it names none, _NOBODYS if it names several."""
    if not isinstance(row, dict):
        return ""
    return _id_under(row, names) or (_id_under(row, frozenset(("id",))) if bare else "")


def _id_under(row: Mapping[str, object], names: frozenset[str]) -> str:
    values = [value for name, value in row.items() if _folded(name) in names]
    ids = {parse_id(value) for value in values} - {""}
    if len(ids) > 1 or any(value is UNREADABLE for value in values):
        return _NOBODYS
    return next(iter(ids), "")


def _folded(name: str) -> str:
    """Return a name without case and separators: "Order_ID" is "orderid"."""
    return name.lower().translate(_SEPARATORS) if len(name) <= _LONGEST_NAME else ""


def _keyed(body: object, names: frozenset[str], wanted: frozenset[str], *, bare: bool) -> list[tuple[str, object]]:
    """Return rows with their ids: the id in the row, or its key in a dict by id."""
    if isinstance(body, list):
        return [(_own_id(row, names, bare=True), row) for row in body]
    if not isinstance(body, dict):
        return []
    # Beside rows by id, "id" may be that of the answer.
    own = _own_id(body, names, bare=bare and wanted.isdisjoint(body))
    if own:
        return [(own, body)]
    # Keys 0, 1, 2, … are positions in a list that PHP turned into an object, not ids. Such a list may have gaps, but it
    # is no longer than the most ids that one call may hold.
    places = frozenset(map(str, range(max(len(body), 100)))) if "0" in body else frozenset()
    rows = []
    for key, row in body.items():
        own = _own_id(row, names, bare=bare)
        key_id = "" if key in places else key.strip()
        if own and key_id and own != key_id:
            continue  # its key and its id differ: it may be either order's
        rows.append((own or key_id, row))
    return rows
