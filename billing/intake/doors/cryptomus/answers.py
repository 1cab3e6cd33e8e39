"""What answers say of an invoice, and how much of it is money. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from billing.intake.gateways import Effect, GatewayError, Seen
from panel.lib import clock
from panel.lib.money import MoneyError, micros_down

EFFECTS = {
    "check": Effect.WAIT,
    "process": Effect.WAIT,
    "confirm_check": Effect.WAIT,  # Seen on the chain.
    "wrong_amount_waiting": Effect.WAIT,  # A part came. The rest may follow, or it becomes wrong_amount.
    "paid": Effect.CREDIT,
    "paid_over": Effect.CREDIT,
    "wrong_amount": Effect.CREDIT,  # Less came, and no more is waited for.
    "cancel": Effect.NEVER,
    "fail": Effect.NEVER,
    "system_fail": Effect.HOLD,
    "locked": Effect.HOLD,  # Kept back for a check of where it is from: the merchant does not have it.
    "refund_process": Effect.REVERSE,
    "refund_paid": Effect.REVERSE,
    "refund_fail": Effect.REVERSE,
}
# How far our figure and the gateway's own one in USD may be apart: a part of it, or a cent, to which theirs is rounded.
TOLERANCE, CENT = Decimal("0.03"), Decimal("0.01")
MAX_NUMBER, MAX_NAME = 40, 128
# Enough for the product of two numbers of MAX_NUMBER digits, and that no quotient is rounded up to a whole millionth.
DIGITS = 2 * MAX_NUMBER


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of the gateway. `amount` is in `currency`, `paid` and `expected` in the coin of the payer."""

    uuid: str
    order_id: str
    status: str
    amount: Decimal
    currency: str
    paid: Decimal
    expected: Decimal
    paid_usd: Decimal | None
    is_final: bool
    created_at: datetime | None
    expires_at: datetime | None
    url: str
    details: Mapping[str, str]

    @property
    def is_over(self) -> bool:
        """Return True if it waits for no more money."""
        is_past = self.expires_at is not None and self.expires_at <= clock.now()
        return self.is_final or is_past or EFFECTS.get(self.status) in (Effect.CREDIT, Effect.NEVER, Effect.REVERSE)


def read_invoice(found: Any) -> Invoice:
    """Return the invoice in an answer. Raise GatewayError if it lacks what money depends on."""
    if not isinstance(found, dict):
        raise GatewayError("It answers without an invoice.")
    uuid, order_id = name_in(found, "uuid"), name_in(found, "order_id")
    status = name_in(found, "status") or name_in(found, "payment_status")
    currency, amount = name_in(found, "currency"), _number_in(found, "amount")
    if not (uuid and order_id and status and currency and amount):
        raise GatewayError("It answers an invoice without its uuid, order_id, status, currency or amount.")
    return Invoice(
        uuid=uuid,
        order_id=order_id,
        status=status,
        amount=amount,
        currency=currency,
        paid=_number_in(found, "payment_amount") or Decimal(0),
        expected=_number_in(found, "payer_amount") or Decimal(0),
        paid_usd=_number_in(found, "payment_amount_usd"),
        is_final=found.get("is_final") is True,
        created_at=_time_in(found, "created_at"),
        expires_at=_moment_in(found, "expired_at"),
        url=name_in(found, "url", limit=500),
        details=_details_in(found),
    )


def seen_in(invoice: Invoice, *, doubt: str = "") -> Seen | None:
    """Return the invoice's payment, which has its id and grows; None while nothing of it is known.

    What would be credited is held if there is a `doubt`, or reason for one.
    """
    effect, words = _effect_of(invoice), f"Its status is “{invoice.status[:40]}”."
    figure = _figure(invoice)
    if effect is Effect.WAIT and not figure:
        return None
    if effect is Effect.NEVER and invoice.paid:
        effect, words = Effect.HOLD, f"{words} Yet it names money that came in."
    if effect is Effect.CREDIT and (doubt := doubt or _doubt(invoice, figure)):
        effect, words = Effect.HOLD, f"{words} {doubt}"
    if effect is Effect.HOLD:
        figure = _least_figure(invoice, figure)
        words += " Look at the gateway how much came in before you credit it."
    try:
        came_in = 0 if effect is Effect.NEVER else micros_down(figure)
    except MoneyError as error:
        raise GatewayError(f"It names an amount that cannot be: {error}") from None
    return Seen(invoice.uuid, came_in, invoice.currency, effect, words)


def _effect_of(invoice: Invoice) -> Effect:
    """Return the effect of the status. An unknown one waits; with money, and no more waited for, a person decides."""
    waits = Effect.HOLD if invoice.paid and invoice.is_over else Effect.WAIT
    return EFFECTS.get(invoice.status, waits)


def _figure(invoice: Invoice) -> Decimal:
    """Return what came in, in the invoice's currency; 0 if it cannot be said.

    “Paid” is the amount itself. Else it is as much of it as came of the coins that were asked for.
    """
    if invoice.status == "paid":
        return invoice.amount if invoice.paid else Decimal(0)
    if not invoice.expected:
        return Decimal(0)
    with localcontext(prec=DIGITS):
        return invoice.amount * invoice.paid / invoice.expected


def _doubt(invoice: Invoice, figure: Decimal) -> str:
    """Return why the figure should not be credited without a look, "" if nothing speaks against it."""
    is_whole, usd = invoice.status == "paid", invoice.paid_usd
    if not figure:
        return "It does not say how much came in: perhaps somebody marked it by hand."
    if invoice.currency != "USD":
        # Nobody says in which currency payment_amount is. Nothing else confirms the figure.
        return "" if is_whole else "Not exactly what was asked came in, and nothing confirms the sum but in USD."
    if usd is None:
        return "" if is_whole else "It does not say how much came in, in USD."
    if abs(figure - usd) > max(figure * TOLERANCE, CENT):
        return f"By its coins {figure:.2f} USD came in, but it says {usd:.2f} USD."
    return ""


def _least_figure(invoice: Invoice, figure: Decimal) -> Decimal:
    """Return the least that the answer may mean: what is held can be credited with one click."""
    usd = invoice.paid_usd if invoice.currency == "USD" else None
    return min([one for one in (figure, usd) if one], default=invoice.amount)


def name_in(found: Mapping[str, Any], name: str, *, limit: int = MAX_NAME) -> str:
    """Return a member that is a short text of visible ASCII, "" for all else."""
    value = found.get(name)
    is_name = isinstance(value, str) and len(value) <= limit and value.isascii() and value.isprintable()
    return str(value) if is_name else ""


def _number_in(found: Mapping[str, Any], name: str) -> Decimal | None:
    """Return an amount, None if it is null or missing. Raise GatewayError for anything but a plain decimal."""
    value = found.get(name)
    if value is None or value == "":
        return None
    is_plain = isinstance(value, str) and len(value) <= MAX_NUMBER and set(value) <= set("0123456789.")
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    try:
        number = Decimal(value) if is_plain or is_number else _refuse_number(name)
    except InvalidOperation:
        return _refuse_number(name)
    # 1E+999999 is a short text of a long number.
    return number if number >= 0 and abs(number.adjusted()) <= MAX_NUMBER else _refuse_number(name)


def _refuse_number(name: str) -> Decimal:
    raise GatewayError(f"Its “{name}” is no amount.")


def _time_in(found: Mapping[str, Any], name: str) -> datetime | None:
    """Return an ISO time with its zone, None for all else."""
    try:
        time = datetime.fromisoformat(name_in(found, name))
    except ValueError:
        return None
    return time if time.tzinfo else None


def _moment_in(found: Mapping[str, Any], name: str) -> datetime | None:
    """Return a Unix time, None for all else."""
    seconds = found.get(name)
    try:
        return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def _details_in(found: Mapping[str, Any]) -> dict[str, str]:
    """Return where to pay, once the payer chose a coin."""
    members = {"coin": "payer_currency", "network": "network", "address": "address", "amount": "payer_amount"}
    details = {shown: name_in(found, name) for shown, name in members.items()}
    return {shown: text for shown, text in details.items() if text} if details["address"] else {}
