"""The order form. It asks for exactly what the chosen service's type needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, cast
from uuid import uuid4

from django import forms

from catalog.models import Service
from catalog.selectors import SHELF_ORDER, services_on_sale
from catalog.types import SPECS, TypeSpec
from orders.inputs import LONGEST_LINK, OrderRefused, check_amount, check_link, comment_lines
from panel.money import MAX_MICROS

GONE = "This service is no longer on sale. Nothing was charged; please choose another."


class QuantityField(forms.CharField):
    """A whole number as people write it: "1000", "1,000", "1 000". Nothing else, and no other digits."""

    widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})

    def clean(self, value: Any) -> int | None:
        text = re.sub(r"[\s,\u00a0\u202f]", "", super().clean(value))
        if not text:
            return None
        if not re.fullmatch(r"-?[0-9]{1,15}", text):
            raise forms.ValidationError("Enter a whole number, such as 1000.")
        return int(text)


class OrderForm(forms.Form):
    """`service` is the chosen one, None until there is one; the fields follow its type."""

    service = forms.CharField(
        label="Service",
        widget=forms.Select,
        max_length=20,
        error_messages={"required": "Choose a service.", "max_length": GONE},
    )
    link = forms.CharField(
        label="Link",
        max_length=LONGEST_LINK,
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}),
        error_messages={
            "required": "Enter the link to deliver to.",
            "max_length": f"This link is too long: {LONGEST_LINK:,} characters at most.",
            "null_characters_not_allowed": "A link has no invisible characters. Copy it again.",
        },
    )
    quantity = QuantityField(label="Quantity", error_messages={"required": "Enter a quantity."})
    comments = forms.CharField(
        label="Comments",
        help_text="One on each line.",
        widget=forms.Textarea(attrs={"rows": 6}),
        strip=False,
        error_messages={"required": "Write at least one comment, one on each line."},
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, chosen: str = "", **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.chosen = self._find(data.get("service", "") if data is not None else chosen)
        # Read only when the list is shown: the live price must not load ten thousand services.
        self.fields["service"].widget.choices = self._choices
        self.initial.setdefault("service", str(self.chosen.pk) if self.chosen else "")
        self.initial.setdefault("request_key", uuid4().hex)
        spec = self.spec
        if not spec or not spec.takes_quantity:
            del self.fields["quantity"]
        if not spec or not spec.lines:
            del self.fields["comments"]
        self._describe_limits()

    @staticmethod
    def _find(chosen: str) -> Service | None:
        if not re.fullmatch(r"[0-9]{1,18}", chosen):
            return None
        return services_on_sale().filter(pk=int(chosen)).first()

    @staticmethod
    def _choices() -> list[tuple[str, Any]]:
        shelves = groupby(services_on_sale().order_by(*SHELF_ORDER), key=lambda service: service.category)
        return [
            ("", "Choose a service"),
            *(
                (category.name, [(str(service.pk), f"{service.pk} · {service.name}") for service in services])
                for category, services in shelves
            ),
        ]

    def clean_service(self) -> int:
        if self.chosen is None:
            raise forms.ValidationError(GONE)
        return self.chosen.pk

    def clean(self) -> dict[str, Any]:
        """Checks link and amount apart, so that both mistakes are told at once."""
        data: dict[str, Any] = super().clean() or {}
        if self.chosen is None:
            return data
        checks: tuple[Callable[[], Any], ...] = (
            lambda: check_link(data["link"]) if "link" in data else None,
            lambda: check_amount(
                service=cast(Service, self.chosen),
                quantity=data.get("quantity"),
                comments=data.get("comments", ""),
            ),
        )
        for check in checks:
            try:
                check()
            except OrderRefused as refusal:
                if refusal.field not in self.errors:
                    self.add_error(refusal.field, refusal.message)
        return data

    @property
    def spec(self) -> TypeSpec | None:
        return SPECS.get(self.chosen.type) if self.chosen else None

    def _describe_limits(self) -> None:
        service = self.chosen
        if service is None or service.is_package:
            return
        limits = f"{service.lowest_quantity:,} to {service.highest_quantity:,}"
        if "quantity" in self.fields:
            self.fields["quantity"].help_text = f"{limits}."
        if "comments" in self.fields:
            self.fields["comments"].help_text = f"One on each line, {limits} lines."

    def typed_quantity(self) -> int | None:
        """What is typed so far as a quantity, for the live price; None while it is no usable number."""
        if self.chosen is None:
            return None
        spec = SPECS[self.chosen.type]
        if spec.is_package:
            return 1
        raw = self[spec.lines or "quantity"].value() or ""
        try:
            if spec.lines:
                return len(comment_lines(raw)) or None
            quantity = self.fields["quantity"].clean(raw)
        except (forms.ValidationError, OrderRefused):
            return None
        return quantity if quantity and quantity > 0 else None


def read_seen_charge(data: Any) -> int | None:
    """The charge that the customer saw, in micro-units; None when the form carried none."""
    text = data.get("seen_charge", "")
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return None
    return min(int(text), MAX_MICROS)
