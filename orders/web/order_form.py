"""The order form, with the fields that the chosen service's type needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from django import forms
from django.forms.boundfield import BoundField
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.link_kinds import LinkKind
from catalog.models import Service
from catalog.platform_marks import OTHER, platform_label
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS, Param, TypeSpec
from orders.checkout.links import LINK_TOO_LONG, MAX_LINK, missing_link
from orders.checkout.questions import Remark, key_of_questions, remarks_about
from orders.checkout.validation import (
    GONE,
    MAX_INTERVAL,
    MAX_RUNS,
    OrderInput,
    OrderRefused,
    check_order,
    check_plan,
    text_lines,
)
from orders.models import Order
from orders.web.form_fields import LINK_LABELS, LINK_LOOKS, param_field
from orders.web.link_notes import reading_of
from orders.web.quantities import COUNTED, Chip, CountNote, QuantityField, chips_of, note_of, outside_limits
from panel.lib.digits import typed_count
from panel.lib.links.places import read_place

CHANGED = gettext_lazy("This service has changed meanwhile. Nothing was charged. Check its fields and order again.")
# Hidden fields.
OWN_FIELDS = ("service", "request_key")
# Fields that only some types have.
TYPE_FIELDS = ("quantity", "runs", "interval", *{param.name: None for spec in SPECS.values() for param in spec.params})


@dataclass(frozen=True, slots=True)
class ParamRow:
    """A parameter's field on the page. `is_asked`: it depends on no choice, or that choice was made."""

    field: BoundField
    only_if: tuple[str, str] | None
    is_asked: bool


class OrderForm(forms.Form):
    """An order for `service`, None until one is chosen; the fields follow its type."""

    service = forms.CharField(
        label=gettext_lazy("Service"),
        widget=forms.HiddenInput,
        max_length=20,
        error_messages={"required": gettext_lazy("Choose a service."), "max_length": GONE},
    )
    link = forms.CharField(
        label=gettext_lazy("Link"),
        max_length=MAX_LINK,
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}),
        error_messages={
            "required": gettext_lazy("Enter the link to deliver to."),
            "max_length": format_lazy(LINK_TOO_LONG, most=f"{MAX_LINK:,}"),
            "null_characters_not_allowed": gettext_lazy("A link has no invisible characters. Copy it again."),
        },
    )
    quantity = QuantityField(
        label=gettext_lazy("Quantity"), error_messages={"required": gettext_lazy("Enter a quantity.")}
    )
    runs = QuantityField(
        label=gettext_lazy("Runs"),
        required=False,
        help_text=format_lazy(gettext_lazy("2 to {most}, each of the quantity above."), most=f"{MAX_RUNS:,}"),
    )
    interval = QuantityField(
        label=gettext_lazy("Minutes between runs"),
        required=False,
        help_text=format_lazy(gettext_lazy("1 to {most}; 1,440 is a day."), most=f"{MAX_INTERVAL:,}"),
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, chosen: str = "", **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        wanted = data.get("service", "") if data is not None else chosen
        self.chosen = self._find(wanted)
        self.is_gone = bool(wanted) and self.chosen is None
        self.initial.setdefault("service", str(self.chosen.pk) if self.chosen else "")
        self.initial.setdefault("request_key", uuid4().hex)
        spec = self.spec
        if not spec or not spec.takes_quantity:
            del self.fields["quantity"]
        if not spec or not spec.drips:
            del self.fields["runs"], self.fields["interval"]
        for param in self.params:
            self.fields[param.name] = param_field(param)
        self._describe_limits()
        self._describe_link()

    @staticmethod
    def _find(chosen: str) -> Service | None:
        if not re.fullmatch(r"[0-9]{1,18}", chosen):
            return None
        return services_on_sale().select_related("figures").filter(pk=int(chosen)).first()

    def clean_service(self) -> int:
        if self.chosen is None:
            raise forms.ValidationError(GONE)
        return self.chosen.pk

    def clean(self) -> dict[str, Any]:
        """Report all mistakes at once. A valid form is checked when the order is created, an invalid one here."""
        data: dict[str, Any] = super().clean() or {}
        if self.chosen is None:
            return data
        if self.data.get("seen_type", self.chosen.type) != self.chosen.type:
            raise forms.ValidationError(CHANGED)
        if self.errors:
            try:
                check_order(service=self.chosen, order_input=self.order_input(data))
            except OrderRefused as refusal:
                self.add_refusals(refusal)
        return data

    def order_input(self, data: Mapping[str, Any]) -> OrderInput:
        """Return the order that `data`, the cleaned fields, describes."""
        return OrderInput(
            service_id=data.get("service", 0),
            link=data.get("link", ""),
            quantity=data.get("quantity"),
            params={param.name: data.get(param.name, "") for param in self.params},
            runs=data.get("runs"),
            interval=data.get("interval"),
        )

    def add_refusals(self, refused: OrderRefused) -> None:
        """Add each mistake to its field, unless the field has another."""
        for refusal in refused.refusals:
            if refusal.field not in self.errors:
                self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)

    @property
    def spec(self) -> TypeSpec | None:
        return SPECS.get(self.chosen.type) if self.chosen else None

    @property
    def params(self) -> tuple[Param, ...]:
        return self.spec.params if self.spec else ()

    @property
    def param_rows(self) -> list[ParamRow]:
        return [
            ParamRow(
                self[param.name],
                param.only_if,
                param.only_if is None or self[param.only_if[0]].value() == param.only_if[1],
            )
            for param in self.params
        ]

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Return the typed values of fields that this service does not have: the next service may have them."""
        typed = self.data if self.is_bound else self.initial
        return [(name, typed[name]) for name in TYPE_FIELDS if name not in self.fields and typed.get(name)]

    @property
    def is_drip(self) -> bool:
        """Return True if several runs are requested: one of their two fields is filled in."""
        return "runs" in self.fields and any((self[name].value() or "").strip() for name in ("runs", "interval"))

    def _describe_limits(self) -> None:
        """Put the limits into the help texts, and mark the fields that determine the charge."""
        service, spec = self.chosen, self.spec
        if service is None or spec is None or spec.is_package:
            return
        limits = {"low": f"{service.lowest_quantity:,}", "high": f"{service.highest_quantity:,}"}
        step = service.quantity_step
        if "quantity" in self.fields:
            text = _("%(low)s to %(high)s.") if step == 1 else _("%(low)s to %(high)s, in multiples of %(step)s.")
            self.fields["quantity"].help_text = text % {**limits, "step": f"{step:,}"}
        if spec.lines:
            text = _("One on each line, %(low)s to %(high)s lines.")
            if step > 1:
                text = _("One on each line, %(low)s to %(high)s lines, in multiples of %(step)s.")
            self.fields[spec.lines].help_text = text % {**limits, "step": f"{step:,}"}
        for name in ("runs", "interval", spec.lines or "quantity"):
            if name in self.fields:
                self.fields[name].widget.attrs["data-counted"] = True

    def _describe_link(self) -> None:
        """Name the link by what the service takes, and say below it what to enter."""
        self.link_help = _("A public address, such as https://example.com/page, or an @name.")
        if self.chosen is None:
            return
        kind = self.chosen.expected_link.kind
        field = self.fields["link"]
        if kind is LinkKind.ADDRESS:
            field.label = _(LINK_LABELS.get(self.chosen.target.what, "Link"))
        field.error_messages["required"] = missing_link(kind)
        if kind in LINK_LOOKS:
            look = LINK_LOOKS[kind]
            field.label, self.link_help = _(look.label), _(look.help)
            field.widget.attrs |= {"inputmode": look.inputmode, "placeholder": look.example}

    @property
    def remarks(self) -> list[Remark]:
        """Return what to say or ask about what is typed, questions first."""
        if self.chosen is None or self.spec is None:
            return []
        typed = {param.name: self[param.name].value() or "" for param in self.params}
        link = "" if self.link_is_right else self.typed_link
        return remarks_about(service=self.chosen, link=link, params=typed)

    @property
    def has_other_remarks(self) -> bool:
        """Return True if something is said that is not about the link."""
        return any(not remark.is_about_link for remark in self.remarks)

    @property
    def typed_link(self) -> str:
        return str(self["link"].value() or "")

    @property
    def right_link(self) -> str:
        """Return the link of which the customer said that it is right for any service; "" if of none."""
        return str((self.data if self.is_bound else self.initial).get("link_is_right") or "")

    @property
    def link_is_right(self) -> bool:
        return bool(self.typed_link) and self.typed_link == self.right_link

    @property
    def link_question(self) -> str:
        """Return what is asked about the link; "" for nothing."""
        return next((remark.text for remark in self.remarks if remark.is_about_link), "")

    @property
    def link_platform(self) -> str:
        """Return the name of the platform that the link leads to; OTHER if it is not known."""
        return read_place(self.typed_link).platform or OTHER

    @property
    def other_platform(self) -> str:
        """Return the label of the link's platform if the service is for another; else ""."""
        is_other = self.chosen is not None and self.link_platform not in self.chosen.target.platforms
        return platform_label(self.link_platform) if is_other else ""

    @property
    def link_reading(self) -> str:
        """Return what the link was read as; "" for what is not known, or asked about."""
        is_address = self.chosen is None or self.chosen.expected_link.kind in (LinkKind.ADDRESS, LinkKind.APP)
        return "" if self.link_question or not is_address else reading_of(self.typed_link)

    @property
    def count_notes(self) -> list[CountNote]:
        """Return what to say below each number, as it is typed."""
        shown = [self[name] for name in COUNTED if name in self.fields]
        notes = (note_of(name=one.name, help=str(one.help_text), text=str(one.value() or "")) for one in shown)
        return [self._with_limits(note) for note in notes]

    def _with_limits(self, note: CountNote) -> CountNote:
        if note.name != "quantity" or note.count is None or note.problem or self.chosen is None:
            return note
        return replace(note, problem=outside_limits(self.chosen, note.count))

    @property
    def chips(self) -> list[Chip]:
        """Return the quantities to choose by a tap."""
        if self.chosen is None or "quantity" not in self.fields:
            return []
        return chips_of(self.chosen, typed=typed_count(self["quantity"].value() or ""))

    @property
    def question_key(self) -> str:
        """Return the yes to the questions about what is typed; "" if there are none."""
        return key_of_questions(remarks=self.remarks, about=self["link"].value() or "")

    @property
    def is_confirmed(self) -> bool:
        """Return True if nothing is asked about the order, or the customer said yes."""
        return self.question_key in ("", self.data.get("answered", ""))

    def typed_quantity(self) -> int | None:
        """Return the quantity typed so far, for the live price; None while it is not usable."""
        spec = self.spec
        if spec is None:
            return None
        if spec.is_package:
            return 1
        raw = self[spec.lines or "quantity"].value() or ""
        try:
            if spec.lines:
                [counted] = (param for param in spec.params if param.name == spec.lines)
                return len(text_lines(param=counted, text=raw)) or None
            return self._number("quantity")
        except OrderRefused:
            return None

    def typed_plan(self) -> tuple[int, int] | None:
        """Return runs and minutes typed so far, for the live price: (1, 0) for a single order, None while unusable."""
        if self.chosen is None or not self.is_drip:
            return 1, 0
        try:
            return check_plan(service=self.chosen, runs=self._number("runs"), interval=self._number("interval"))
        except OrderRefused:
            return None

    def _number(self, name: str) -> int | None:
        try:
            number = self.fields[name].clean(self[name].value() or "")
        except forms.ValidationError:
            return None
        return number if number and number > 0 else None


# -- around the form ---------------------------------------------------------------------------------


def typed_again(order: Order) -> dict[str, str]:
    """Return the values that were typed to create the order."""
    return {"link": order.link, "quantity": str(order.quantity), **order.params}
