"""Read one row of an answer: the status of an order or a refill, or what came of a cancel or a refill.

Each function takes the id that was asked about and the row, of any kind and shape. It returns a result or a RowError
and raises nothing. A row that neither says yes nor no is malformed: it may have been a yes.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from catalog.upstream.cleaning import clean_text, parse_count, parse_id, parse_money
from catalog.upstream.errors import ErrorCode, classify_error
from catalog.upstream.loading import UNREADABLE
from catalog.upstream.parsing import ERROR_TEXT, error_text, is_success, parse_currency
from catalog.upstream.results import (
    MALFORMED,
    CancelAccepted,
    OrderStatus,
    RefillAccepted,
    RefillStatusRow,
    RowError,
    StatusRow,
)
from catalog.upstream.status_words import answer_of, refill_status_of, status_of, word_key, words_of
from catalog.upstream.status_words import is_success as is_word_of_success

EXCERPT = 200
_STATUS_TEXT = 60
# A status beside that of the call: {"status": "success", "order_status": "Completed"}.
_STATUS_KEYS = ("order_status", "status")
_REFILL_STATUS_KEYS = ("refill_status", "status")
CANCEL_KEYS = ("cancel", "canceled", "cancelled", "cancel_status", "cancellation")
REFILL_KEYS = ("refill", "refill_id")
_FLAG_KEYS = ("success", "status", "result", "ok")
_MESSAGE_KEYS = ("message", "msg", "detail")
_SENTENCE_KEYS = (*_MESSAGE_KEYS, "success", "cancel", "refill", "result")
# Words of sentences that answer a request, in the languages of the status words. A word of no outweighs all others.
_NO_WORDS = words_of(
    """
    not, cannot, cant, t, unable, already, denied, refused, rejected, declined, error, invalid, incorrect, failed, fail
    failure, impossible, late, no, never, disabled, unavailable, only, wrong, unknown
    tidak, gagal, ditolak, sudah, belum, не, нельзя, невозможно, уже, ошибка, não, já, imposible, rechazado
    olmaz, edilemez, edilemedi, zaten, hata, không, lỗi, لا, لم, لن, خطأ, نمی, خطا, नहीं, त्रुटि
    without, unsuccessful, unsuccessfully, offline, off, limit, limits, limited, less, ago, tanpa, sem, sin, fracaso
    без, безуспешно, неуспешно, неудачно, неуспешный, неуспешная, değil, başarısız, olmadan, chưa, thất
    بدون, غير, فشل, نشد, نشده, ناموفق, बिना, असफल, विफल
    """
)
_YES_WORDS = words_of(
    """
    received, requested, accepted, success, successful, successfully, submitted, sent, queued, processing, processed
    pending, canceled, cancelled, canceling, cancelling, added, created, registered, placed, taken, initiated, scheduled
    asap, started, berhasil, sukses, diterima, dikirim, diproses, успешно, принят, принята, отправлен, отправлена
    sucesso, recebido, solicitado, éxito, recibido, solicitada, aceptada, başarıyla, başarılı, alındı, gönderildi
    công, تم, بنجاح, شد, ثبت, सफल, सफलता
    """
)
# What a sentence that says yes speaks of, unless it is a mere word of success: "Order started" is about something else.
_ASKED_FOR = words_of(
    """
    request, requested, requests, cancel, cancels, canceled, cancelled, canceling, cancelling, cancellation, cancelation
    refill, refills, refilled, refilling, refilment, permintaan, pembatalan, dibatalkan, batal, ulang, refund
    запрос, заявка, отмена, отмену, отмены, отменен, рефилл, рефил, восполнение, докрутка, докрутку
    solicitud, cancelación, cancelado, cancelada, recarga, reposición, solicitação, cancelamento
    reposição, talep, talebi, talebiniz, iptal, iptali, dolum, telafi, yenileme, yêu, hủy, huỷ
    طلب, إلغاء, الإلغاء, تعويض, درخواست, لغو, جبران, अनुरोध, रद्द, रिफिल
    """
)
_REQUESTS = frozenset(("request", "requested", "cancellation", "canceled", "cancelled", "canceling", "cancelling"))
_ENDED = frozenset(
    ("completed", "complete", "delivered", "finished", "started", "partial", "not", "cannot", "t", "unable")
)


def malformed(row_id: str, row: object) -> RowError:
    """Return the error of a row that cannot be read, with what it holds for staff. The key is no longer in it."""
    return RowError(row_id, ErrorCode.UNRECOGNIZED, MALFORMED, excerpt_of(row))


def excerpt_of(value: object) -> str:
    """Return the beginning of a value as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return ""
    return clean_text(text, limit=EXCERPT)


def row_error(row_id: str, row: object, key: str = "") -> RowError | None:
    """Return the error of a row: a string in its place, an error shape, or an error in its own field."""
    text = clean_text(row, limit=ERROR_TEXT) if isinstance(row, str) else error_text(row)
    if not text and key and isinstance(row, dict):
        text = error_text(row.get(key))
    return RowError(row_id, classify_error(text), text) if text else None


def _first(row: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)


# -- status ------------------------------------------------------------------------------------------


def read_status(row_id: str, row: object, *, currency: str = "") -> StatusRow | RowError:
    """Return the status of an order, whose charge is in `currency` unless it says otherwise.

    A status that is a whole number is a word like any other.
    """
    if error := row_error(row_id, row, "status"):
        return error
    text = _word_in(row, _STATUS_KEYS)
    if not isinstance(row, dict) or text is None:
        return malformed(row_id, row)
    stated = parse_currency(row.get("currency"))
    charge = parse_money(row.get("charge"), currency=stated or currency)
    remains = parse_count(row.get("remains"))
    # What is stated and cannot be read must not count as "nothing was charged" or "nothing was delivered".
    is_lost = _is_stated(row.get("charge")) and (charge.amount is None or charge.amount < 0)
    return StatusRow(
        order_id=row_id,
        status=status_of(text),
        status_text=text,
        charge=charge.amount,
        start_count=parse_count(row.get("start_count")),
        remains=remains,
        currency=stated,
        is_unclear=is_lost or (remains is None and _is_number_like(row.get("remains"))),
    )


def _is_stated(value: object) -> bool:
    return not (value is None or (isinstance(value, str) and not value.strip()))


def _is_number_like(value: object) -> bool:
    """Return True for anything that is stated but a word: remains are "Unknown" on some panels."""
    return _is_stated(value) and not (isinstance(value, str) and not any(map(str.isdigit, value)))


def _word_in(row: object, keys: tuple[str, ...]) -> str | None:
    value = _first(row, keys) if isinstance(row, dict) else row
    if value is UNREADABLE or isinstance(value, bool):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 10**9:
        value = int(value)
    if isinstance(value, int) and abs(value) < 10**9:
        value = str(value)
    return clean_text(value, limit=_STATUS_TEXT) if isinstance(value, str) else None


def read_refill_status(row_id: str, row: object) -> RefillStatusRow | RowError:
    """Return the status of a refill."""
    text = _word_in(row, _REFILL_STATUS_KEYS) or ""
    status = refill_status_of(text)
    is_about_call = isinstance(row, dict) and "refill_status" not in row and any(key in row for key in _MESSAGE_KEYS)
    if is_about_call and (is_word_of_success(text) or error_text(row)):
        status = None  # It may say only how the call went.
    if status is None and (error := row_error(row_id, row, "status")):
        return RowError(row_id, refill_code(error.text), error.text)
    return RefillStatusRow(row_id, status, text) if text else malformed(row_id, row)


def refill_code(text: str) -> ErrorCode:
    """Return the class of an error about a refill's status: what is not found there is the refill."""
    code = classify_error(text)
    words = word_key(text)
    is_vague = code in (ErrorCode.UNRECOGNIZED, ErrorCode.UNKNOWN_ORDER)
    is_vague = is_vague or (code is ErrorCode.PROTOCOL and words.startswith("request"))
    if is_vague and any(part in words for part in ("not found", "not exist", "no such", "unknown", "invalid refill")):
        return ErrorCode.UNKNOWN_REFILL
    return code


# -- cancels and refills -----------------------------------------------------------------------------


def read_cancel(row_id: str, row: object) -> CancelAccepted | RowError:
    """Return whether a cancel was accepted: by a flag, a word or a sentence, alone or nested."""
    says, text = _answer_in(row, CANCEL_KEYS)
    if says or _is_repeated(text):
        return CancelAccepted(row_id)
    return _no(row_id, row, text, "cancel", ErrorCode.CANCEL_REFUSED if says is False else None)


def _is_repeated(text: str) -> bool:
    """Return True for "Cancel request already sent" and the like: an earlier request was accepted."""
    words = set(word_key(text).split())
    return "already" in words and not _REQUESTS.isdisjoint(words) and _ENDED.isdisjoint(words)


def read_refill(row_id: str, row: object) -> RefillAccepted | RowError:
    """Return whether a refill was accepted, with its id where the answer holds one."""
    says, text = _answer_in(row, REFILL_KEYS)
    error = row_error(row_id, row, "refill") if isinstance(row, dict) else None
    if refill_id := "" if error else _refill_id_in(row, row_id, is_yes=bool(says)):
        return RefillAccepted(row_id, refill_id)
    if says and not error:
        return RefillAccepted(row_id, "")
    return _no(row_id, row, text, "refill", ErrorCode.REFILL_REFUSED if says is False else None)


def _no(row_id: str, row: object, text: str, key: str, code: ErrorCode | None) -> RowError:
    """Return the error of a row that does not say yes. `code` is None if it does not say no in words or flags."""
    if not isinstance(row, str) and (error := row_error(row_id, row, key)):
        return error
    if code is None:
        return malformed(row_id, row)
    known = classify_error(text)
    return RowError(row_id, code if known is ErrorCode.UNRECOGNIZED else known, text)


def _answer_in(row: object, keys: tuple[str, ...]) -> tuple[bool | None, str]:
    """Return what a row answers to a request, None if neither yes nor no, and its sentence.

    The field of the request decides, then the flags, then the sentence. A yes beside a sentence of no is neither.
    """
    field = _first(row, keys) if isinstance(row, dict) else row
    text = _sentence_in(row) or _sentence_in(field)
    says = _answer(field)
    if says is None and field is None:
        says = _flags_in(row)
    words = word_key(text).split()
    if _says_no(words) or classify_error(text) is not ErrorCode.UNRECOGNIZED:
        return (None if says else False), text
    is_about_it = not _ASKED_FOR.isdisjoint(words) and not _YES_WORDS.isdisjoint(words)
    if says is None and (is_about_it or is_word_of_success(text)):
        says = True
    return says, text


def _says_no(words: list[str]) -> bool:
    # "Order no. 55 is canceled" says yes.
    return any(
        word in _NO_WORDS and not (word == "no" and after[:1].isdigit())
        for word, after in zip(words, [*words[1:], ""], strict=False)
    )


def _answer(value: object) -> bool | None:
    """Return yes or no for a flag or a word, alone or in an object; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {1: True, 0: False}.get(value)
    if isinstance(value, str):
        return answer_of(value)
    if isinstance(value, dict):
        return next((says for key in _FLAG_KEYS if (says := _answer(value.get(key))) is not None), None)
    return None


def _flags_in(row: object) -> bool | None:
    """Return what the flags of a row say. The status of a running order is none: it may be as before."""
    if not isinstance(row, dict):
        return None
    if row.get("success") is not None:
        return is_success(row["success"])
    for key in ("result", "ok", "status"):
        value = row.get(key)
        status = status_of(value) if isinstance(value, str) else None
        if status in (None, OrderStatus.CANCELED) and (says := _answer(value)) is not None:
            return says
    return None


def _sentence_in(row: object) -> str:
    """Return the sentence of a row: the row itself, or what is beside its flags."""
    if isinstance(row, str):
        return clean_text(row, limit=ERROR_TEXT)
    if not isinstance(row, dict):
        return ""
    texts = (clean_text(row[key], limit=ERROR_TEXT) for key in _SENTENCE_KEYS if isinstance(row.get(key), str))
    return next((text for text in texts if " " in text), "")


def _refill_id_in(row: object, order_id: str, *, is_yes: bool) -> str:
    """Return the id of the refill, which has a digit: "requested" is none. "" if there is none."""
    value = _first(row, REFILL_KEYS) if isinstance(row, dict) else row
    if isinstance(value, dict):
        value = _first(value, ("id", *REFILL_KEYS))
    elif value is None and isinstance(row, dict) and is_yes and parse_id(row.get("id")) != order_id:
        value = row.get("id")
    refill_id = parse_id(value)
    return refill_id if any(one.isdigit() for one in refill_id) else ""
