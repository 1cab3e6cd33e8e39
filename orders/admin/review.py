"""The page on which staff decide about an order in review or in doubt: the evidence and the choices.

Opening it sends nothing to the provider and changes nothing. Each choice is a form of its own, posted with the state
that staff saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from orders.admin.review_facts import facts_of
from orders.checkout.create import loss_note
from orders.common.hidden_costs import sees_costs, without_costs
from orders.common.transitions import OrderMoved
from orders.models import Order
from orders.reconcile import search
from orders.reconcile.findings import evidence_attempt
from orders.review import decisions
from orders.review.decisions import review_state_of
from orders.second_looks import asked_refund
from orders.states import UNSENT_REVIEWS, ReviewReason, Submission
from panel.accounts.models import User
from panel.accounts.rights import SEE_COSTS
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, act_once, is_own_object
from panel.lib.admin.base import shown_money
from panel.lib.own_account import SENTENCE
from panel.staff.forms import WhyForm, take_why
from panel.staff.looks import act_or_ask


class ChoiceForm(forms.Form):
    """The fields of one choice about `order`."""

    def __init__(self, data: Any = None, *, order: Order, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.order = order


class BindForm(ChoiceForm):
    upstream_id = forms.CharField(
        label="The provider's order id", max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        if self.initial.get("upstream_id"):
            self.fields["upstream_id"].help_text = "The only one found there that agrees with this order."


# What staff confirm before an order is sent that was surely never sent.
_SURE_UNSENT = {
    ReviewReason.WOULD_LOSE: "I made sure that it costs no more than the customer paid.",
    ReviewReason.OVER_LIMIT: "I raised the daily limit of this provider.",
}


class SendAgainForm(ChoiceForm):
    """The checkbox starts empty each time: staff confirm the state that they now see."""

    sure = forms.BooleanField(
        widget=UnfoldBooleanWidget(check_test=lambda value: False),
        error_messages={"required": "Tick this only if it is so, then send it again."},
    )

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        there = self.order.provider.name
        self.fields["sure"].label = (
            _SURE_UNSENT[ReviewReason(self.order.review_reason)]
            if self.order.review_reason in UNSENT_REVIEWS
            else f"I made sure that {there} does not have it."
        )


class RefundForm(ChoiceForm, WhyForm):
    note = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="The customer reads it.",
    )
    field_order = ("note", "why", "why_note")


class SearchForm(ChoiceForm):
    """No fields."""


FORMS: dict[str, type[ChoiceForm]] = {
    "bind": BindForm,
    "send_again": SendAgainForm,
    "refund": RefundForm,
    "search": SearchForm,
}


@dataclass(frozen=True, slots=True)
class Card:
    """One choice: its title, its consequence and its form."""

    choice: str
    title: str
    text: str
    button: str
    variant: str
    form: forms.Form
    warning: str = ""


# -- which orders, which choices ---------------------------------------------------------------------


def awaits_decision(order: Order) -> bool:
    """Return True if the order is in doubt, or in review before it was accepted."""
    return order.submission == Submission.IN_DOUBT or (
        order.submission == Submission.QUEUED and bool(order.review_reason)
    )


def offered(order: Order) -> tuple[str, ...]:
    """Return the choices for this order, as keys of FORMS."""
    if not awaits_decision(order):
        return ()
    if order.submission == Submission.IN_DOUBT:
        return ("bind", "send_again", "refund", "search")
    if order.review_reason in UNSENT_REVIEWS:
        return ("send_again", "refund")
    return ("bind", "send_again", "refund")


def review_page_of(order: Order) -> str:
    """Return the page that decides about the order, or its own page once there is nothing to decide."""
    return reverse(f"admin:orders_order_{'decide' if awaits_decision(order) else 'change'}", args=[order.pk])


def find_order(object_id: str | None) -> Order | None:
    """Return the order of an admin page, None if the address names none."""
    try:
        return Order.objects.select_related("customer", "provider").filter(pk=object_id or 0).first()
    except ValueError:
        return None


def order_of_page(request: HttpRequest, object_id: str | None) -> Order | None:
    """Return `find_order`, read once in a request: each action on the page asks whether it fits."""
    if getattr(request, "order_of_page_id", None) != object_id:
        request.order_of_page = find_order(object_id)  # type: ignore[attr-defined]
        request.order_of_page_id = object_id  # type: ignore[attr-defined]
    order: Order | None = getattr(request, "order_of_page", None)
    return order


def order_or_404(object_id: str) -> Order:
    """Return the order of an admin page. Raise Http404 if there is none."""
    order = find_order(object_id)
    if order is None:
        raise Http404
    return order


@contextmanager
def refusals() -> Iterator[None]:
    """Turn errors of the services into messages for staff at the form."""
    try:
        yield
    except OrderMoved as error:
        raise ActionRefused("The order changed while you looked at it. Nothing was done; please look again.") from error
    except decisions.ReviewError as error:
        raise ActionRefused(str(error)) from error


# -- the page ----------------------------------------------------------------------------------------


def decide_page(*, request: HttpRequest, model_admin: ModelAdmin, object_id: str) -> HttpResponse:
    """Show the order's evidence and choices; a POST makes one choice.

    The permission to see orders shows the evidence; the one to change them adds the choices.
    """
    has_right = request.user.has_perm("orders.change_order")
    if not (has_right if request.method == "POST" else model_admin.has_view_permission(request)):
        raise PermissionDenied
    order: Order | None = model_admin.get_object(request, object_id)
    if order is None:
        raise Http404
    choice = request.POST.get("choice", "")
    posted: dict[str, forms.Form] = {}
    why_not = _why_not(has_right=has_right, is_own=is_own_object(request, order))
    may_decide = not why_not
    if choice in offered(order):
        posted[choice] = form = FORMS[choice](request.POST, order=order)
        act = partial(_act, choice, order, user_of(request))
        title = f"{_TITLES[choice]}: order {order.pk}"
        if act_once(
            request=request,
            model_admin=model_admin,
            obj=order,
            form=form,
            title=title,
            act=act,
            seen=review_state_of(order),
            is_routine=True,
        ):
            order.refresh_from_db()
            return redirect(review_page_of(order))
        order.refresh_from_db()
    elif request.method == "POST" and awaits_decision(order):
        messages.error(request, "This order does not have that choice now. Nothing was done.")
    if not awaits_decision(order):
        label = Submission(order.submission).label
        messages.warning(request, f"{order} is “{label}” and waits for no decision. Nothing was done.")
        return redirect(review_page_of(order))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Decide: order {order.pk}",
        "original": order,
        "opts": order._meta,
        "seen": review_state_of(order),
        "may_decide": may_decide,
        "why_not": why_not,
        **facts_of(order, with_costs=sees_costs(request)),
    }
    context["cards"] = _cards(order, posted, context) if may_decide else ()
    if may_decide and "search" in offered(order):
        context["search_form"] = posted.get("search", SearchForm(order=order))
    return TemplateResponse(request, "admin/orders/decide.html", context)


def _why_not(*, has_right: bool, is_own: bool) -> str:
    """Return the text in place of the choices, "" if the user may decide."""
    if not has_right:
        return "You may look, but not decide: that takes the permission to change orders."
    return SENTENCE if is_own else ""


# -- what the choices do -----------------------------------------------------------------------------


def _act(choice: str, order: Order, actor: User, data: dict[str, Any]) -> str:
    with refusals():
        return _ACTS[choice](order, actor, data)


def _bind(order: Order, actor: User, data: dict[str, Any]) -> str:
    upstream_id = data["upstream_id"]
    search.check_id(order=order, upstream_id=upstream_id)
    decisions.bind_upstream_id(order=order, upstream_id=upstream_id, actor=actor)
    return f"Bound to {upstream_id}. The order is followed from now on."


# For staff who may not see costs.
_WOULD_LOSE = "It would lose money now."


def _send_again(order: Order, actor: User, data: dict[str, Any]) -> str:
    try:
        decisions.send_again(order=order, actor=actor)
    except decisions.WouldLose as error:
        if _sees_costs(actor):
            raise
        raise ActionRefused(f"{_WOULD_LOSE} Refund it, or ask somebody who may see costs.") from error
    return "It is in the queue again."


def _refund(order: Order, actor: User, data: dict[str, Any]) -> str:
    why, note = take_why(data), data["note"]

    def refund() -> str:
        decisions.refund_unaccepted(order=order, note=note, actor=actor, why=why)
        return f"Canceled, and {shown_money(order.net_charge)} refunded."

    return act_or_ask(act=refund, asked=asked_refund(order=order, note=note), actor=actor, why=why)


def _search(order: Order, actor: User, data: dict[str, Any]) -> str:
    if search.search_now(order=order):
        return "Searched again and found it. The order is followed from now on."
    attempt = evidence_attempt(order)
    note = attempt.search_note if attempt else ""
    return f"Searched again. {note if _sees_costs(actor) else without_costs(note)}".strip()


def _sees_costs(actor: User | None) -> bool:
    return actor is not None and actor.has_perm(SEE_COSTS)


_TITLES = {
    "bind": "Bind its id",
    "send_again": "Send it again",
    "refund": "Cancel and refund",
    "search": "Search again",
}
_ACTS: dict[str, Callable[[Order, User, dict[str, Any]], str]] = {
    "bind": _bind,
    "send_again": _send_again,
    "refund": _refund,
    "search": _search,
}


# -- how the choices are shown -----------------------------------------------------------------------


def _cards(order: Order, posted: dict[str, forms.Form], facts: dict[str, Any]) -> list[Card]:
    send_again = partial(_send_again_card, with_costs=facts["shows_costs"])
    make: dict[str, Callable[[Order, forms.Form], Card]] = {
        "bind": _bind_card,
        "send_again": send_again,
        "refund": _refund_card,
    }
    likely_id = facts["search"].likely_id
    initial = {"bind": {"upstream_id": likely_id}, "send_again": {}, "refund": {"note": _apology(order)}}
    return [
        make[choice](order, posted.get(choice) or FORMS[choice](order=order, initial=initial[choice]))
        for choice in offered(order)
        if choice in make
    ]


def _bind_card(order: Order, form: forms.Form) -> Card:
    there = order.provider.name
    return Card(
        choice="bind",
        title="It was accepted: bind its id",
        text=(
            f"You found it in the list of orders at {there}. It becomes accepted under that id, and its progress and "
            f"refunds follow what {there} says of it. {there} is asked first whether the id is ours."
        ),
        button="Bind",
        variant="primary",
        form=form,
    )


def _send_again_card(order: Order, form: forms.Form, *, with_costs: bool) -> Card:
    there, loss = order.provider.name, loss_note(order)
    if loss and not with_costs:
        loss = _WOULD_LOSE
    if order.review_reason in UNSENT_REVIEWS:
        title = "Send it"
        text = "It goes back to the queue and is sent as soon as possible."
    else:
        title = "It was not accepted: send it again"
        text = (
            f"It goes back to the queue and is sent once more. If {there} has it after all, it is delivered twice "
            "and we pay for both."
        )
    return Card(
        choice="send_again",
        title=title,
        text=text,
        button=title.rpartition(": ")[2].capitalize(),
        variant="default",
        form=form,
        warning=loss and f"{loss} It cannot be sent while that is so.",
    )


def _refund_card(order: Order, form: forms.Form) -> Card:
    amount = shown_money(order.net_charge)
    text = f"The order is canceled, and the customer gets {amount} back at once, for good."
    if order.attempts:
        text += f" If {order.provider.name} has it after all, it is delivered and we pay for it."
    return Card(
        choice="refund",
        title="Give up: cancel and refund",
        text=text,
        button=f"Cancel and refund {amount}",
        variant="danger",
        form=form,
    )


def _apology(order: Order) -> str:
    if order.submission == Submission.IN_DOUBT:
        return (
            "We could not make sure that your order was accepted, so we canceled it and refunded it in full. "
            "We are sorry for the wait."
        )
    return "We could not get your order accepted, so we refunded it in full. We are sorry for the wait."
