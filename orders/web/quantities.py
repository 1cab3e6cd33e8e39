"""The numbers of the order form: how they are read, what is said below them, and the quantities to tap."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext as _

from catalog.models import Service
from orders.checkout.validation import between_steps
from panel.lib.digits import CountError, read_count

# Fields with a note below them that follows the input.
COUNTED = ("quantity", "runs", "interval")
# Offered beside the smallest and the largest order.
USUAL_QUANTITIES = (500, 1_000, 5_000)


class QuantityField(forms.CharField):
    """A whole number as people write it: "1000", "1,000", "1.000", "1 000", "1k"."""

    widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})

    def clean(self, value: str) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return read_count(text)
        except CountError as error:
            raise forms.ValidationError(str(error)) from error


@dataclass(frozen=True, slots=True)
class CountNote:
    """What is said below a number: a problem, how it was read, or "". `count` is None while it cannot be read.

    `typed` is the text that this is about, and `shown` what the box shows instead of it once it is left. Without
    anything to say, the note is the field's `help`.
    """

    name: str
    help: str
    typed: str
    count: int | None = None
    problem: str = ""
    reading: str = ""

    @property
    def shown(self) -> str:
        return "" if self.count is None else f"{self.count:,}"


def note_of(*, name: str, help: str, text: str) -> CountNote:
    """Return the note about the number in `text`, without the limits of a service."""
    text = text.strip()
    if not text:
        return CountNote(name, help, text)
    try:
        count = read_count(text)
    except CountError as error:
        return CountNote(name, help, text, problem=str(error))
    if count < 1:
        return CountNote(name, help, text, count, problem=_("Write a number from 1 on."))
    shown = f"{count:,}"
    if text in (shown, str(count)):
        return CountNote(name, help, text, count)
    # Elsewhere a point would be a decimal one, and not everybody reads each other's digits.
    reading = _("“%(text)s” is read as %(number)s.") % {"text": text, "number": shown}
    return CountNote(name, help, text, count, reading=reading)


def outside_limits(service: Service, quantity: int) -> str:
    """Return why the service cannot be ordered in this quantity, for the customer; "" if it can."""
    if service.is_package:
        return ""
    if quantity < service.lowest_quantity:
        return _("The smallest order of this service is %(count)s.") % {"count": f"{service.lowest_quantity:,}"}
    if quantity > service.highest_quantity:
        return _("The largest order of this service is %(count)s.") % {"count": f"{service.highest_quantity:,}"}
    step = service.quantity_step
    return between_steps(amount=quantity, step=step) if quantity % step else ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A quantity to choose by a tap. `is_chosen`: it is what is typed."""

    quantity: int
    is_chosen: bool


def chips_of(service: Service, *, typed: int | None) -> list[Chip]:
    """Return the smallest order, the usual quantities that the service takes, and the largest; each once, rising."""
    low, high, step = service.lowest_quantity, service.highest_quantity, service.quantity_step
    if low > high:
        return []
    usual = {quantity for quantity in USUAL_QUANTITIES if low < quantity < high and quantity % step == 0}
    return [Chip(quantity, quantity == typed) for quantity in sorted({low, high, *usual})]
