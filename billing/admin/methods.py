"""Payment methods, as the owner sets them up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from billing.admin.gateways import gateway_page
from billing.admin.signed_calls import signed_calls_page
from billing.bonus_terms import check_tiers
from billing.destinations import announce_destination, destination_shifts, fingerprint
from billing.fee_terms import MAX_FEE_BP, FeeTerms
from billing.intake.gateways import gateways
from billing.methods import methods
from billing.models import PaymentMethod
from panel.accounts.owner_notices import Shift
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import AsksAgain, ModelAdmin, shown_money
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.admin.kept_forms import KEPT, KeptTooOld, keep_form, open_kept
from panel.lib.formats import percent_text
from panel.lib.money import BASIS, CENT, MAX_MICROS, MICRO, MoneyError, format_plain


class BonusField(PercentField):
    """A percentage from 0 to 100, in basis points."""

    def read(self, text: str) -> int:
        if text.startswith("-"):
            raise MoneyError("A bonus cannot be negative.")
        basis_points = super().read(text)
        if basis_points > BASIS:
            raise MoneyError("A bonus is 100% at most.")
        return basis_points


class FeeField(PercentField):
    """A percentage from 0 to MAX_FEE_BP, in basis points."""

    def read(self, text: str) -> int:
        basis_points = super().read(text)
        if not 0 <= basis_points <= MAX_FEE_BP:
            raise MoneyError(f"A fee is 0% to {percent_text(MAX_FEE_BP)}.")
        return basis_points


class TiersField(forms.CharField):
    """Lines such as "100: 3": from $100 on, 3 percent. Pairs of micro-units and basis points."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "100: 3"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return "\n".join(f"{format_plain(least)}: {percent_text(bp).removesuffix('%')}" for least, bp in value)

    def clean(self, value: Any) -> list[tuple[int, int]] | None:
        tiers = [self._pair(line) for line in str(super().clean(value)).splitlines() if line.strip()]
        try:
            check_tiers(tiers)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return sorted(tiers) or None

    @staticmethod
    def _pair(line: str) -> tuple[int, int]:
        amount, colon, percent = line.partition(":")
        try:
            if not colon:
                raise MoneyError("Write an amount, a colon and a percentage.")
            return AmountField().read(amount.strip()), BonusField().read(percent.strip().removesuffix("%").strip())
        except MoneyError as error:
            raise forms.ValidationError(f"“{line.strip()}”: {error}") from None


class PaymentMethodForm(forms.ModelForm):
    kind = forms.ChoiceField(label="How it works", widget=UnfoldAdminSelectWidget)
    minimum = AmountField(help_text="The smallest amount at once.")
    maximum = AmountField(help_text="The largest amount at once.")
    bonus_bp = BonusField(
        label="Bonus, percent",
        initial=0,
        help_text="What customers get on top, from your pocket: 5 makes $105 of $100. 0 for none.",
    )

    tiers = TiersField(
        label="Bonus by amount",
        required=False,
        help_text="Lines such as “100: 3” and “500: 5”: 3% from 100 on, 5% from 500 on, instead of the bonus above.",
    )
    fee_bp = FeeField(
        label="Fee, percent",
        required=False,
        initial=0,
        help_text="What your gateway or bank takes of a payment, in percent of what is added. 0 for none.",
    )
    fee_fixed = AmountField(
        label="Fee, fixed",
        required=False,
        initial=0,
        help_text="What it takes of each payment besides, whatever its size.",
    )
    max_payment = AmountField(
        label="Largest payment credited by itself",
        required=False,
        help_text="A signed call that brings more waits for you. Empty for no limit.",
    )
    max_day = AmountField(
        label="Most credited by itself in 24 hours",
        required=False,
        help_text="What comes in above it waits for you. Empty for no limit.",
    )

    class Meta:
        model = PaymentMethod
        fields = (
            "name",
            "kind",
            "instructions",
            "minimum",
            "maximum",
            "bonus_bp",
            "tiers",
            "fee_bp",
            "fee_fixed",
            "fee_payer",
            "hours_open",
            "has_unique_amounts",
            "is_sandbox",
            "max_payment",
            "max_day",
            "position",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "instructions"
        ].help_text = (
            "How to pay, in your words. A line such as “IBAN: DE02 1203 0000 0000 2020 51” gets a button to copy it."
        )
        self.fields["fee_payer"].required = False
        self.fields["fee_payer"].help_text = self._fee_example()
        self.fields["kind"].choices = [(code, method.label) for code, method in methods().items()]  # type: ignore[attr-defined]

    def _fee_example(self) -> str:
        terms, amount = FeeTerms(self.instance.fee_bp, self.instance.fee_fixed) or FeeTerms(400, CENT * 10), 20 * MICRO
        return (
            f"With a fee of {terms.shown(settings.PANEL_CURRENCY)}, who adds {shown_money(amount)} pays "
            f"{shown_money(terms.to_pay(amount))} if the customer pays it, and {shown_money(amount)} if you do. "
            "Requests that were sent before keep their fee."
        )

    def clean_fee_bp(self) -> int:
        return self.cleaned_data["fee_bp"] or 0

    def clean_fee_fixed(self) -> int:
        fixed: int = self.cleaned_data["fee_fixed"] or 0
        if fixed < 0:
            raise forms.ValidationError("A fee cannot be negative.")
        return fixed

    def clean_fee_payer(self) -> str:
        return self.cleaned_data["fee_payer"] or PaymentMethod.FeePayer.OWNER

    def clean_minimum(self) -> int:
        minimum: int = self.cleaned_data["minimum"]
        if minimum <= 0:
            raise forms.ValidationError("The smallest amount is above zero.")
        return minimum

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == "signed":
            for name in ("max_payment", "max_day"):
                if data.get(name) is None and name not in self.errors:
                    self.add_error(name, "Signed calls need a limit: it bounds what a leaked secret can credit.")
        used = Q(payments__isnull=False) | Q(invoices__isnull=False)
        was_sandbox = PaymentMethod.objects.filter(used, pk=self.instance.pk, is_sandbox=True)
        if not data.get("is_sandbox") and was_sandbox.exists():
            # What waits of it would count as money from then on.
            self.add_error("is_sandbox", "What came in here was no money. Add another method for real payments.")
        if data.get("has_unique_amounts") and data.get("kind") in gateways():
            self.add_error("has_unique_amounts", "Its gateway tells payments apart. Leave it off.")
        if "minimum" in data and "maximum" in data and data["minimum"] > data["maximum"]:
            self.add_error("maximum", "This is below the smallest amount.")
        fee = FeeTerms(data.get("fee_bp", 0), data.get("fee_fixed", 0))
        if fee.to_pay(data.get("maximum", 0)) > MAX_MICROS:
            self.add_error("maximum", "With its fee this is more than the panel can hold.")
        return data


def _set_up_page(method: PaymentMethod) -> str:
    """Return the name of the page that sets up methods of this kind; "" if there is none."""
    return "signed_calls" if method.kind == "signed" else "gateway" if method.kind in gateways() else ""


class _ToConfirm(Exception):
    """Carries a valid form out of Django's view, whose transaction wrote nothing yet."""

    def __init__(self, method: PaymentMethod, shifts: list[Shift]) -> None:
        super().__init__()
        self.method = method
        self.shifts = shifts


@admin.register(PaymentMethod)
class PaymentMethodAdmin(AsksAgain, ModelAdmin):
    """What says where money goes is shown old beside new before it is saved, and all owners are told of it."""

    form = PaymentMethodForm
    is_short = True
    list_display = ("name", "shown_minimum", "shown_maximum", "shown_fee", "shown_bonus", "position", "is_active")
    actions_detail = ("signed_calls", "gateway")

    @display(description="From", ordering="minimum")
    def shown_minimum(self, method: PaymentMethod) -> str:
        return shown_money(method.minimum)

    @display(description="To", ordering="maximum")
    def shown_maximum(self, method: PaymentMethod) -> str:
        return shown_money(method.maximum)

    @display(description="Fee", ordering="fee_bp")
    def shown_fee(self, method: PaymentMethod) -> str:
        if not method.all_fee_terms:
            return "—"
        payer = "the customer's" if method.fee_terms else "yours"
        return f"{method.all_fee_terms.shown(settings.PANEL_CURRENCY)}, {payer}"

    @display(description="Bonus", ordering="bonus_bp")
    def shown_bonus(self, method: PaymentMethod) -> str:
        terms = method.bonus_terms
        if terms.tiers:
            return f"up to {percent_text(terms.most_bp)}"
        return percent_text(terms.bonus_bp) if terms.bonus_bp else "—"

    def has_sign_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.change_paymentmethod")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer the set-up that the method's kind has."""
        method = self.get_object(request, str(object_id))
        wanted = _set_up_page(method) if method is not None else ""
        return [
            one for one in super().get_actions_detail(request, object_id) if wanted and one.action_name.endswith(wanted)
        ]

    @action(description="Address and secrets", icon="key", permissions=["sign"])
    def signed_calls(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return signed_calls_page(self, request, object_id)

    @action(description="Set up", icon="key", permissions=["sign"])
    def gateway(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return gateway_page(self, request, object_id)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        confirmed = ""
        if KEPT in request.POST:
            try:
                post, confirmed = open_kept(request.POST[KEPT], request=request, object_id=object_id)
                request.POST = post  # type: ignore[assignment]
            except KeptTooOld as error:
                messages.error(request, str(error))
                return redirect(request.get_full_path())
        request.confirmed_destination = confirmed  # type: ignore[attr-defined]
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except _ToConfirm as asked:
            return self._confirm(request, object_id, asked)
        return response

    def save_model(self, request: HttpRequest, obj: PaymentMethod, form: forms.ModelForm, change: bool) -> None:
        stored = PaymentMethod.objects.select_for_update().get(pk=obj.pk) if change else None
        shifts = destination_shifts(before=stored, after=obj)
        shown = fingerprint(shifts, method_id=obj.pk, actor=user_of(request))
        if shifts and shown != request.confirmed_destination:  # type: ignore[attr-defined]
            raise _ToConfirm(obj, shifts)
        super().save_model(request, obj, form, change)
        if shifts:
            announce_destination(method=obj, shifts=shifts, actor=user_of(request))

    def response_add(
        self, request: HttpRequest, obj: PaymentMethod, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Lead on to the set-up, without which a gateway or signed calls bring nothing."""
        response = super().response_add(request, obj, post_url_continue)
        stays = {"_continue", "_addanother"} & set(request.POST)
        page = _set_up_page(obj)
        return response if stays or not page else redirect(f"admin:billing_paymentmethod_{page}", obj.pk)

    def delete_model(self, request: HttpRequest, obj: PaymentMethod) -> None:
        announce_destination(method=obj, shifts=destination_shifts(before=obj, after=None), actor=user_of(request))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PaymentMethod]) -> None:
        with transaction.atomic():
            for method in queryset:
                self.delete_model(request, method)

    def _confirm(self, request: HttpRequest, object_id: str | None, asked: _ToConfirm) -> HttpResponse:
        shown = fingerprint(asked.shifts, method_id=asked.method.pk, actor=user_of(request))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Change where money goes: {asked.method.name}",
            "opts": self.opts,
            "shifts": asked.shifts,
            "name": KEPT,
            "kept": keep_form(request=request, object_id=object_id, confirmed=shown),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/billing/confirm_destination.html", context)
