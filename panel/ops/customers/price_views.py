"""Many agreed prices of a customer at once: each page asks, shows what would change, and changes just that."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from catalog.prices.agreement_files import write_agreements
from catalog.prices.agreements import Line, Plan, PricesMoved, apply_agreements, plan_agreements
from catalog.prices.csv_format import FileRefused
from panel.accounts.models import User
from panel.accounts.rights import SEE_COSTS
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import log_own_attempt
from panel.lib.csv_files import csv_response
from panel.lib.money import format_plain
from panel.lib.own_account import SENTENCE, OwnAccount, is_own
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.ops.customers import rights
from panel.ops.customers.price_forms import CopyForm, ImportForm, SetForm, WantedForm

# What a preview shows tells costs: where the lowest price holds an agreed one up, it is made of them.
CHANGE_PRICES = (
    rights.VIEW_CUSTOMERS,
    rights.VIEW_PRICES,
    "catalog.add_customerprice",
    "catalog.change_customerprice",
    SEE_COSTS,
)
FORMS: dict[str, type[WantedForm]] = {"copy": CopyForm, "set": SetForm, "import": ImportForm}
# Lines of a preview that are shown; the counts are of all.
MAX_SHOWN = 200


def may_change_prices(request: HttpRequest, customer: User) -> bool:
    """Return True if this person may change agreed prices of this customer, who is not themselves."""
    return request.user.has_perms(CHANGE_PRICES) and not is_own(actor=request.user, customer_id=customer.pk)


@require_safe
def export_prices(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return the customer's agreed prices as a CSV file, which can be imported again."""
    if not request.user.has_perms((rights.VIEW_CUSTOMERS, rights.VIEW_PRICES)):
        raise PermissionDenied
    customer = get_object_or_404(User, pk=pk)
    return csv_response(name=f"prices-of-{customer.pk}", lines=write_agreements(customer_id=customer.pk))


@require_http_methods(["GET", "HEAD", "POST"])
def change_prices(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Show the form; then the preview; and what was seen in the preview is done."""
    if not request.user.has_perms(CHANGE_PRICES):
        raise PermissionDenied
    require_recent_sign_in(request)
    customer = get_object_or_404(User, pk=pk, closed_at=None)
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = FORMS[kind](*sent, customer=customer)
    refused = None
    if form.is_valid():
        try:
            return _preview_or_apply(request, form)
        except FileRefused as error:
            refused = error
        except OwnAccount:
            log_own_attempt(request=request, objects=[user_of(request)], title=form.title)
            form.add_error(None, SENTENCE)
    return _page(request, "admin/customers/prices_form.html", form, refused=refused)


def _preview_or_apply(request: HttpRequest, form: WantedForm) -> HttpResponse:
    """Raise FileRefused and OwnAccount."""
    wanted, rule, moved = form.wanted(), form.chosen_rule, False
    if user_of(request).pk in wanted:
        raise OwnAccount
    if seen := request.POST.get("seen"):
        try:
            done = apply_agreements(wanted=wanted, rule=rule, seen=seen, actor=user_of(request), how=form.log_words)
        except PricesMoved:
            moved = True
        else:
            messages.success(
                request, f"Agreed prices: {done.new:,} added, {done.changed:,} changed, {done.kept:,} kept."
            )
            return redirect("customer_prices", form.customer.pk)
    plan = plan_agreements(wanted=wanted, rule=rule)
    kept = {name: request.POST.get(name, "") for name in form.fields if name != "file"}
    if "text" in kept:
        [prices] = wanted.values()
        kept["text"] = "service,agreed price\n" + "".join(f"{one},{format_plain(of)}\n" for one, of in prices.items())
    emails = dict(User.objects.filter(pk__in=wanted).values_list("pk", "email"))
    context = {
        "plan": plan,
        "moved": moved,
        "rows": [(emails[line.customer_id], line) for line in _worst_first(plan)[:MAX_SHOWN]],
        "hidden": len(plan.lines) - min(len(plan.lines), MAX_SHOWN),
        "kept": kept,
        "wins": rule.label,
        "customers": len(wanted),
        "for_others": form.customer.pk not in wanted,
    }
    return _page(request, "admin/customers/prices_preview.html", form, **context)


def _worst_first(plan: Plan) -> list[Line]:
    """Return what a person should look at first: what is held up, then what replaces a price, then what is new."""
    return sorted(plan.lines, key=lambda line: (line.is_kept, not line.is_held_up, not line.is_changed))


def _page(request: HttpRequest, template: str, form: WantedForm, **context: object) -> HttpResponse:
    common = {
        **admin.site.each_context(request),
        "title": form.title,
        "customer": form.customer,
        "form": form,
        "back": reverse("customer_prices", args=[form.customer.pk]),
    }
    return TemplateResponse(request, template, {**common, **context})
