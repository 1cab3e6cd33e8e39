"""Money as integers of micro-units (10⁻⁶ of a currency), and the only place that rounds it.

Every stored, compared or summed amount is an `int` of micro-units. `Decimal` appears at the edges only: what a
person typed, what a provider sent, what is shown. No function here takes or returns a float.

Ratios are integers too: a margin is in basis points (1/100 of a percent), an exchange rate in units of 10⁻¹² of the
panel's currency for one unit of the provider's.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from django.utils.translation import gettext as _

MICRO = 1_000_000
CENT = MICRO // 100
# Largest amount that any column may hold: a billion units. Constraints enforce it as well.
MAX_MICROS = 10**15

# The exchange rate of a provider that bills in the panel's own currency.
EXCHANGE_ONE = 10**12

# Basis points in 100%: a margin of 25% is 2,500.
BASIS = 10_000

# Currencies whose banks know no cents.
WHOLE_CURRENCIES = {"JPY", "KRW", "VND"}

SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "INR": "₹",
    "TRY": "₺",
    "BRL": "R$",
    "JPY": "¥",
    "NGN": "₦",
    "RUB": "₽",
    "UAH": "₴",
    "VND": "₫",
    "KRW": "₩",
    "PHP": "₱",
}


# A comma only groups thousands: "12,50" means twelve and a half in half of the world, and never 1,250.
_TYPED = re.compile(r"-?(?:(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+)")


class MoneyError(ValueError):
    """The text or number is not an amount that the panel can hold. The message is for people."""


def smallest_unit(currency: str) -> int:
    """Return the micro-units of the smallest amount that people can send."""
    return MICRO if currency in WHOLE_CURRENCIES else CENT


def ceil_div(numerator: int, denominator: int) -> int:
    """Return ⌈numerator / denominator⌉ in integers, for a positive denominator."""
    return -(-numerator // denominator)


# -- between text, Decimal and micro-units -----------------------------------------------------------


def parse_decimal(text: str) -> Decimal:
    """Return a plain decimal number that a person typed ("12", "12.50", "1,250.00"). Raise MoneyError.

    Refused: exponents, NaN, Infinity, more than 30 characters, digits that are not ASCII, and commas that do not
    group thousands.
    """
    cleaned = text.strip()
    if len(cleaned) > 30 or not _TYPED.fullmatch(cleaned):
        raise MoneyError(_("Enter a number such as 12.50."))
    return Decimal(cleaned.replace(",", ""))


def parse_money(text: str) -> int:
    """Return the micro-units of an amount that a person typed. Raise MoneyError.

    Never rounds: a seventh decimal place is refused, because the person meant something by it.
    """
    return exact_micros(parse_decimal(text))


def exact_micros(amount: Decimal) -> int:
    """Return the micro-units of `amount`. Raise MoneyError if it has more than six decimal places."""
    scaled = scale(amount, MICRO)
    if scaled != scaled.to_integral_value():
        raise MoneyError(_("Use at most six decimal places."))
    return int(scaled)


def micros_up(amount: Decimal) -> int:
    """Return the micro-units of `amount`, rounded up: for what we pay. Raise MoneyError."""
    return int(scale(amount, MICRO).to_integral_value(rounding=ROUND_CEILING))


def micros_down(amount: Decimal) -> int:
    """Return the micro-units of `amount`, rounded down: for what we own. Raise MoneyError."""
    return int(scale(amount, MICRO).to_integral_value(rounding=ROUND_FLOOR))


def scale(amount: Decimal, factor: int, *, limit: int = MAX_MICROS) -> Decimal:
    """Return `amount` × `factor`, exactly. Raise MoneyError for NaN, Infinity and results above `limit`.

    The exponent is checked before multiplying: 1E+999999 must not become a number of a megabyte.
    """
    if not amount.is_finite() or not -40 <= amount.adjusted() <= 18:
        if amount.is_finite() and amount == 0:
            return Decimal(0)
        raise MoneyError(_("That amount is out of range."))
    with localcontext() as context:
        context.prec = 80
        scaled = amount * factor
    if abs(scaled) > limit:
        raise MoneyError(_("That amount is out of range."))
    return scaled


def format_plain(micros: int) -> str:
    """Return plain decimal text without exponent or trailing zeros: "2.35", "0.00268", "10"."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICRO)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def format_money(micros: int, currency: str, *, exact: bool = False) -> str:
    """Return text for people: "$2.35", "−$0.41", "$0.0027", "1,250.00 CHF".

    Rounded to what people read: two decimal places, or four below a cent. Only zero is shown as zero: what is smaller
    than a ten-thousandth is shown as one. `exact` shows every place that is not zero, and never fewer than two.
    """
    size = abs(micros)
    if size and not exact:
        step = _step(size)
        size = max(step, (size + step // 2) // step * step)
    return _written(size, currency, is_negative=micros < 0)


def format_money_up(micros: int, currency: str) -> str:
    """Return text for people of what is to be paid or is missing: as `format_money`, but rounded away from zero.

    So nobody pays more than they read, and who adds what is missing has enough.
    """
    step = _step(abs(micros))
    return _written(ceil_div(abs(micros), step) * step, currency, is_negative=micros < 0)


def _step(size: int) -> int:
    """Return the smallest part that is shown of an amount: a cent, or a hundredth of one below a cent."""
    return CENT if size >= CENT else CENT // 100


def _written(size: int, currency: str, *, is_negative: bool) -> str:
    whole, fraction = divmod(size, MICRO)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    number = f"{whole:,}.{digits}"
    sign = "−" if is_negative else ""
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency}"


# -- prices, charges, refunds ------------------------------------------------------------------------


def convert_up(micros: int, exchange_rate: int) -> int:
    """Return micro-units of the panel's currency for micro-units of a provider's, rounded up.

    `exchange_rate` is in units of 10⁻¹². Raise MoneyError if the result is out of range.
    """
    converted = ceil_div(micros * exchange_rate, EXCHANGE_ONE)
    if abs(converted) > MAX_MICROS:
        raise MoneyError(_("That amount is out of range."))
    return converted


def convert_back_up(micros: int, exchange_rate: int) -> int:
    """Return micro-units of a provider's currency for micro-units of the panel's, rounded up.

    Raise MoneyError if the result is out of range.
    """
    converted = ceil_div(micros * EXCHANGE_ONE, exchange_rate)
    if abs(converted) > MAX_MICROS:
        raise MoneyError(_("That amount is out of range."))
    return converted


def price_from_cost(cost: int, *, margin_bp: int, margin_fixed: int, step: int) -> int:
    """Return the price of 1000 (micro-units): cost × (1 + percent) + fixed, rounded up to the price step.

    `cost` and `margin_fixed` are micro-units per 1000, `margin_bp` basis points, `step` micro-units. Raise
    MoneyError if the price is out of range.
    """
    exact = cost * (BASIS + margin_bp) + margin_fixed * BASIS
    price = ceil_div(exact, BASIS * step) * step
    if not 0 <= price <= MAX_MICROS:
        raise MoneyError(_("That price is out of range."))
    return price


def charge_for(per_1000: int, quantity: int) -> int:
    """Return the micro-units for `quantity` at a price (or cost) per 1000, rounded up, so that none is free."""
    return ceil_div(per_1000 * quantity, 1000)


def refund_for(charge: int, *, undelivered: int, quantity: int) -> int:
    """Return the micro-units to refund in total for what was not delivered, rounded down.

    `undelivered` is clamped to 0…quantity: a refund is neither negative nor above the charge.
    """
    undelivered = max(0, min(undelivered, quantity))
    return charge * undelivered // quantity
