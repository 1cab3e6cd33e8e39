"""The summary beside the order form: the charge of what is typed, and what the main button does next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.wallets import spendable
from catalog.link_kinds import LinkKind
from catalog.prices.customer_prices import Offer
from orders.checkout.create import Quote, quote_order
from orders.checkout.validation import MAX_RUNS, OrderRefused
from orders.common.drafts import DraftFacts
from orders.web.order_form import OrderForm
from orders.web.quantities import outside_limits
from panel.accounts.models import User
from panel.lib.digits import whole_number
from panel.lib.money import MAX_MICROS, ceil_div

CENT = 10_000
# Translated where they are shown.
ASK_FOR_LINK: Mapping[LinkKind, str] = {
    LinkKind.USERNAME: gettext_noop("Type the username"),
    LinkKind.NUMBER: gettext_noop("Type the ID"),
    LinkKind.PHONE: gettext_noop("Type the phone number"),
    LinkKind.APP: gettext_noop("Paste the app link"),
    LinkKind.KEYWORD: gettext_noop("Type the keyword"),
    LinkKind.TEXT: gettext_noop("Type the text"),
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is missing before the order can be created: the words of the button, and the id of the field."""

    label: str
    field: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Charge of what is typed. `problem` says why it cannot be ordered, `hint` what is missing; both may be "".

    `is_at_field`: the problem is told below its field too. `step` is what the customer does next, None if nothing is
    missing. `balance` is what may be spent, in micro-units.
    """

    balance: int
    quote: Quote | None = None
    problem: str = ""
    is_at_field: bool = False
    hint: str = ""
    step: NextStep | None = None

    @property
    def can_order(self) -> bool:
        return self.quote is not None and not self.problem

    @property
    def missing(self) -> int:
        """Return what the balance lacks for the charge, in micro-units; 0 if it covers it."""
        return max(0, self.quote.charge - self.quote.balance) if self.can_order and self.quote else 0

    @property
    def to_add(self) -> int:
        """Return what has to be added to order, in micro-units: whole cents, as people pay."""
        return whole_cents(self.missing)


def whole_cents(micros: int) -> int:
    """Return the amount rounded up to whole cents, in micro-units."""
    return ceil_div(micros, CENT) * CENT


def cents_text(micros: int) -> str:
    """Return the amount, rounded up to whole cents, as a person types it: "18.88"."""
    units, cents = divmod(whole_cents(micros) // CENT, 100)
    return f"{units}.{cents:02d}"


def summarize(*, customer: User, form: OrderForm, offer: Offer | None) -> Summary:
    """Return the summary of what is typed so far; `offer` is the chosen service at the customer's price."""
    quantity = form.typed_quantity()
    plan = form.typed_plan()
    quote, problem, hint, is_at_field = None, "", "", False
    if offer is not None and quantity is not None and plan is None:
        hint = _("Enter 2 to %(most)s runs, and the minutes between them.") % {"most": f"{MAX_RUNS:,}"}
    elif offer is not None and quantity is not None and plan is not None:
        runs, interval = plan
        try:
            quote = quote_order(customer=customer, offer=offer, quantity=quantity, runs=runs, interval=interval)
            problem = outside_limits(offer.service, quantity)
            is_at_field = "quantity" in form.fields
        except OrderRefused as refusal:
            problem = refusal.message
    step = next_step(form, is_amount_wrong=bool(problem), is_plan_wrong=plan is None)
    balance = quote.balance if quote else spendable(customer=customer)
    return Summary(balance, quote, problem, is_at_field, hint, step)


def next_step(form: OrderForm, *, is_amount_wrong: bool, is_plan_wrong: bool) -> NextStep | None:
    """Return the first thing that is missing, in the order of the fields on the page."""
    service, spec = form.chosen, form.spec
    if service is None or spec is None:
        return NextStep(_("Choose a service"), "id_find")
    if not _typed(form, "link"):
        return NextStep(_(ASK_FOR_LINK.get(service.expected_link.kind, gettext_noop("Paste the link"))), "id_link")
    for row in form.param_rows:
        if row.is_asked and not (row.field.value() or "").strip():
            return NextStep(_("Fill in “%(field)s”") % {"field": row.field.label}, row.field.id_for_label)
    counted = spec.lines or "quantity"
    if spec.takes_quantity and not _typed(form, "quantity"):
        return NextStep(_("Type a quantity"), "id_quantity")
    if counted in form.fields and (is_amount_wrong or form.typed_quantity() is None):
        label = _("Change the quantity") if counted == "quantity" else _("Change the number of lines")
        return NextStep(label, f"id_{counted}")
    if is_plan_wrong:
        empty = next((name for name in ("runs", "interval") if not _typed(form, name)), "runs")
        return NextStep(_("Fill in the runs"), f"id_{empty}")
    return None


def _typed(form: OrderForm, name: str) -> str:
    return str(form[name].value() or "").strip()


def draft_facts(*, form: OrderForm, summary: Summary) -> DraftFacts:
    """Return what the sentence about the kept order says of it."""
    quote = summary.quote if summary.can_order else None
    return DraftFacts(
        service_name=form.chosen.name if form.chosen else "",
        quantity=quote.total if quote and not quote.is_package else None,
        charge=quote.charge if quote else None,
        is_short=summary.missing > 0,
    )


def read_seen_charge(data: QueryDict) -> int | None:
    """Return the charge that the customer saw, in micro-units; None if the form has none."""
    seen = whole_number(data.get("seen_charge", ""), max_digits=16)
    return None if seen is None else min(seen, MAX_MICROS)
