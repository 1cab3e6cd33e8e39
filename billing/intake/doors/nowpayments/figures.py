"""What a payment at NOWPayments says of money: its effect, and what came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

from billing.intake.gateways import Asked, Effect, GatewayError, Seen
from panel.lib.money import MICRO, MoneyError, micros_down

Answer = Mapping[str, Any]

_EFFECTS = {
    "waiting": Effect.WAIT,
    "confirming": Effect.WAIT,
    # “Confirmed” is not final, says the vendor.
    "confirmed": Effect.WAIT,
    "sending": Effect.WAIT,
    "finished": Effect.CREDIT,
    "partially_paid": Effect.CREDIT,
    "failed": Effect.HOLD,
    "expired": Effect.NEVER,
    "refunded": Effect.REVERSE,
    "cancelled": Effect.HOLD,
}
# Nothing more comes under the same id after these.
FINAL = frozenset({"finished", "partially_paid", "failed", "expired", "refunded", "cancelled"})
# The gateway may round the price that it was asked for to cents.
ROUNDED = Decimal("0.01")
MAX_ID = 60
MAX_CURRENCY = 10
MAX_EXPONENT = 40


def id_in(answer: Answer, name: str) -> str:
    """Return an id as text, as which ids are compared: they are numbers in some answers. "" if there is none."""
    value = answer.get(name)
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return text if len(text) <= MAX_ID and text.isascii() and text.isalnum() else ""


def text_in(answer: Answer, name: str) -> str:
    """Return a text, "" if there is none."""
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def number_in(answer: Answer, name: str) -> Decimal:
    """Return a number of zero or more, 0 if there is none. Raise GatewayError for anything else."""
    value = answer.get(name)
    try:
        number = Decimal(value or 0)
    except (ArithmeticError, TypeError, ValueError):
        number = Decimal(-1)
    is_sane = number.is_finite() and number >= 0 and (number == 0 or abs(number.adjusted()) <= MAX_EXPONENT)
    if isinstance(value, (bool, float)) or not is_sane:
        raise GatewayError(f"Its {name} cannot be read: {str(value)[:50]}")
    return number


def first_seen(payment: Answer, asked: Asked | None = None) -> Seen:
    """Return the payment that was created for an invoice: the share of its price that was paid.

    It is held where it is not what was asked for. Raise GatewayError if a figure cannot be.
    """
    status, paid = text_in(payment, "payment_status"), number_in(payment, "actually_paid")
    price, due = number_in(payment, "price_amount"), number_in(payment, "pay_amount")
    currency = text_in(payment, "price_currency").upper()
    effect, words, came_in = _effect_of(status, paid), status, _share(price, paid, due)
    if effect is Effect.CREDIT:
        if due == 0 or (status == "finished" and paid == 0):
            words, came_in = f"{status}, but not by coins that were seen", _micros(price)
        elif asked and text_in(payment, "pay_currency").lower() != asked.option:
            words = f"paid in {text_in(payment, 'pay_currency')[:20]}, not in {asked.option}"
        elif asked and (currency != asked.currency or abs(price - Decimal(asked.amount) / MICRO) > ROUNDED):
            words = f"its price is {price} {currency}, which was not asked for"
        if words != status:
            effect = Effect.HOLD
    return Seen(id_in(payment, "payment_id"), came_in, currency, effect, words)


def child_seen(payment: Answer, *, currency: str, pegged: Sequence[str]) -> Seen:
    """Return a repeated deposit or one of a wrong coin: what the owner got for it.

    It is held unless that is in `currency`, or in a coin that the owner takes as worth the same (`pegged`).
    """
    status, paid = text_in(payment, "payment_status"), number_in(payment, "actually_paid")
    effect, words = _effect_of(status, paid), f"{status}, sent again or in another coin"
    has_outcome = number_in(payment, "outcome_amount") > 0
    got, coin = ("outcome_amount", "outcome_currency") if has_outcome else ("actually_paid", "pay_currency")
    amount, coin = number_in(payment, got), text_in(payment, coin).lower()
    is_worth_the_same = coin == currency.lower() or any(_matches(coin, one) for one in pegged)
    if effect is Effect.CREDIT and not is_worth_the_same:
        effect = Effect.HOLD
    # Until it is final nothing is said of it: what it is worth, and in what, is not known before.
    came_in = 0 if effect is Effect.WAIT else _micros(amount)
    shown = currency if is_worth_the_same else coin.upper()[:MAX_CURRENCY]
    return Seen(id_in(payment, "payment_id"), came_in, shown or currency, effect, words)


def _matches(coin: str, pattern: str) -> bool:
    """Return True if the pattern is the coin, or its beginning and a star."""
    return coin == pattern or (pattern.endswith("*") and len(pattern) > 1 and coin.startswith(pattern[:-1]))


def _effect_of(status: str, paid: Decimal) -> Effect:
    """Return the effect of a status. What is not known, or contradicts itself, is never credited."""
    effect = _EFFECTS.get(status, Effect.HOLD if paid else Effect.WAIT)
    return Effect.HOLD if effect is Effect.NEVER and paid else effect


def _share(price: Decimal, paid: Decimal, due: Decimal) -> int:
    """Return price × paid ÷ due in micro-units, rounded down once; 0 if nothing was due."""
    if due == 0:
        return 0
    with localcontext() as context:
        context.prec, context.rounding = 80, ROUND_DOWN
        return _micros(price * paid / due)


def _micros(amount: Decimal) -> int:
    try:
        return micros_down(amount)
    except MoneyError as error:
        raise GatewayError(f"An amount cannot be: {error}") from error
