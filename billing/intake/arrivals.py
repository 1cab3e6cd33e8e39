"""What a signed call says came in. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.models.intake import MAX_EXTERNAL_ID
from panel.lib.money import MAX_MICROS, MoneyError, micros_down

MAX_REFERENCE = 200
_ID = re.compile(rf"[\x21-\x7e]{{1,{MAX_EXTERNAL_ID}}}")
_CURRENCY = re.compile(r"[A-Z]{3,10}")
# A plain decimal: no sign, exponent, separator or leading point.
_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,18})?")
_NUMBER = re.compile(r"[0-9]{1,18}")


class BadArrival(Exception):
    """The call is genuine, but does not say what came in. The message is for whoever writes the sender."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Money that came in, by the sender's word. `amount` is in micro-units of `currency`, rounded down once.

    At least one of `reference`, as the payer wrote it, and `deposit`, a number of ours, says whose it is.
    """

    payment_id: str
    reference: str
    deposit: int | None
    amount: int
    currency: str


def read_arrival(body: bytes) -> Arrival:
    """Return what the body of a call says. Raise BadArrival."""
    fields = _object(body)
    payment_id = fields.get("payment_id")
    if not isinstance(payment_id, str) or not _ID.fullmatch(payment_id):
        raise BadArrival(f"“payment_id” must be a text of 1 to {MAX_EXTERNAL_ID} visible ASCII characters.")
    reference, deposit = _reference(fields.get("reference")), _deposit(fields.get("deposit"))
    if not reference and deposit is None:
        raise BadArrival("Give “reference” as the payer wrote it, or “deposit” with its number.")
    currency = fields.get("currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency.upper()):
        raise BadArrival("“currency” must be a code such as USD.")
    return Arrival(payment_id, reference, deposit, _amount(fields.get("amount")), currency.upper())


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except BadArrival:
        raise
    except (ValueError, RecursionError):
        raise BadArrival("The body must be JSON in UTF-8.") from None
    if not isinstance(found, dict):
        raise BadArrival("The body must be a JSON object.")
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two they take.
    if len({name for name, _ in pairs}) < len(pairs):
        raise BadArrival("The body names a field twice.")
    return dict(pairs)


def _refuse_constant(word: str) -> None:
    raise BadArrival(f"{word} is no amount.")


def _reference(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_REFERENCE or not value.isprintable():
        raise BadArrival(f"“reference” must be a text of at most {MAX_REFERENCE} characters.")
    return value.strip()


def _deposit(value: object) -> int | None:
    if value is None:
        return None
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not _NUMBER.fullmatch(text):
        raise BadArrival("“deposit” must be the number of a request to add funds.")
    return int(text)


def _amount(value: object) -> int:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise BadArrival("“amount” must be a text such as “20.00”: digits with a point, without sign or exponent.")
    try:
        amount = micros_down(Decimal(value))
    except MoneyError:
        amount = 0
    if not 0 < amount <= MAX_MICROS:
        raise BadArrival("“amount” is zero or out of range.")
    return amount
