"""The pages of what staff do to many orders: their words and forms."""

from __future__ import annotations

from collections.abc import Collection

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from orders.admin.bulk_pages import BulkPage, Way
from orders.many import ask, cancel, close, offer, push, refill, send_again
from orders.many.actions import Data
from orders.models import Order
from orders.second_looks import WITHDRAW, ask_for_orders, ask_to_close
from orders.states import Status
from panel.accounts.models import User
from panel.staff.deeds import UNSTATED
from panel.staff.forms import WhyForm
from panel.staff.kinds import Kind

# How orders are ended by hand, with what each means.
HOW = (
    (close.BY_DELIVERED, "By what was delivered"),
    ("completed", "All as completed"),
    ("canceled", "All as canceled"),
)


def _ask_to_withdraw(orders: Collection[Order], actor: User, data: Data) -> str:
    return ask_for_orders(act=WITHDRAW, orders=list(orders), actor=actor, why=data.get("why", UNSTATED))


ASK_PAGE = BulkPage(
    name="ask",
    title="Ask the providers now",
    text="What a provider answers is applied as always, so orders that ended may be refunded.",
    button="Ask about {orders} now",
    action=ask.ASK,
    ways={
        "": Way(
            "with their providers: each provider is asked how they stand.",
            "providers are asked about {count} in the next seconds",
        )
    },
    nothing_done="Nothing was sent.",
)

CANCEL_PAGE = BulkPage(
    name="cancel",
    title="Cancel orders",
    text="A refund is never taken back.",
    button="Cancel {orders}",
    action=cancel.CANCEL,
    ways={
        cancel.WITHDRAWN: Way(
            "not sent yet: canceled at once, and {refunded} refunded in full.",
            "{count} canceled and {refunded} refunded",
        ),
        cancel.ASKED: Way(
            "with their providers: these are asked to cancel, whatever the services allow. What comes back follows "
            "their answers: up to {charged}.",
            "providers asked to cancel {count} more",
        ),
    },
    form_class=WhyForm,
    kind=Kind.REFUND,
    ask=_ask_to_withdraw,
    is_danger=True,
)

REFILL_PAGE = BulkPage(
    name="refill",
    title="Ask for refills",
    text="A refill costs the customer nothing and moves no money. Each customer reads what came of it.",
    button="Ask for refills of {orders}",
    action=refill.REFILL,
    ways={
        "": Way(
            "completed, and within the time for refills: their providers are asked to deliver again what dropped.",
            "providers are asked to refill {count} in the next seconds",
        )
    },
    nothing_done="Nothing was sent.",
)

SEND_AGAIN_PAGE = BulkPage(
    name="send_again",
    title="Send again",
    text=(
        "Only orders that their providers surely do not have. Each is sent as soon as its provider takes orders, and "
        "customers pay nothing more."
    ),
    button="Send {orders} again",
    action=send_again.SEND_AGAIN,
    ways={
        send_again.REQUEUED: Way(
            "in review without having been sent: they go back into the queue.", "{count} went back into the queue"
        ),
        send_again.HURRIED: Way(
            "waiting in the queue for another try: they are sent at once instead.",
            "{count} no longer waiting for another try",
        ),
    },
    nothing_done="Nothing was sent.",
)


class EndManyForm(WhyForm):
    how = forms.ChoiceField(
        label="They end",
        choices=HOW,
        widget=UnfoldAdminSelectWidget,
        help_text="What each of these means for the orders that you selected is shown above.",
    )
    note = forms.CharField(
        label="Reason", max_length=300, widget=UnfoldAdminTextInputWidget, help_text="The customers read it."
    )

    field_order = ("how", "note", "why", "why_note")


def _ask_to_close(orders: Collection[Order], actor: User, data: Data) -> str:
    ends = {order.pk: end for order in orders if (end := close.end_of(order, how=data["how"]))}
    return ask_to_close(orders=list(orders), ends=ends, note=data["note"], actor=actor, why=data["why"])


CLOSE_PAGE = BulkPage(
    name="close",
    title="End by hand",
    text=(
        "For orders whose end their provider does not report. Ask there first: what is refunded is never taken back, "
        "and nothing stops the delivery."
    ),
    button="End these orders",
    action=close.CLOSE,
    ways={
        Status.COMPLETED: Way("end as completed: nothing is refunded.", "{count} ended as completed"),
        Status.PARTIAL: Way(
            "end as partial: {refunded} is refunded for what was not delivered.",
            "{count} ended as partial and {refunded} refunded",
        ),
        Status.CANCELED: Way(
            "end as canceled: {refunded} is refunded.", "{count} ended as canceled and {refunded} refunded"
        ),
    },
    form_class=EndManyForm,
    choices=HOW,
    kind=Kind.CLOSE,
    ask=_ask_to_close,
    is_routine=False,
    is_danger=True,
)

OFFER_PAGE = BulkPage(
    name="offer",
    title="Offer canceled orders again",
    text=(
        "Nothing is charged. Each customer reads the offer on the page of the order for 30 days, with a button that "
        "opens the order form filled in, at the price of that moment, and orders anew or not."
    ),
    button="Offer {orders} again",
    action=offer.OFFER,
    ways={
        "": Way(
            "canceled and refunded in full, of services that are on sale: offered to their customers.",
            "{count} offered to their customers again",
        )
    },
    nothing_done="Nothing was offered.",
)

PUSH_REFILLS_PAGE = BulkPage(
    name="push",
    title="Ask the providers again",
    text="Refills cost the customer nothing and move no money.",
    button="Ask about {orders}",
    action=push.PUSH_REFILLS,
    ways={
        push.SENT: Way("waiting for the next try: sent at once instead.", "{count} are sent in the next seconds"),
        push.POLLED: Way(
            "under way: their providers are asked how they stand.",
            "providers are asked about {count} in the next seconds",
        ),
        push.ANEW: Way("ended: another refill is asked for.", "another refill is asked for {count}"),
    },
    nothing_done="Nothing was sent.",
)

PUSH_CANCELS_PAGE = BulkPage(
    name="push",
    title="Ask the providers again",
    text="A request moves no money: what comes back follows the providers' answers.",
    button="Ask about {orders}",
    action=push.PUSH_CANCELS,
    ways={
        push.SENT: Way("waiting for the next try: sent at once instead.", "{count} are sent in the next seconds"),
        push.POLLED: Way(
            "taken by the providers: these are asked how the orders stand.",
            "providers are asked about {count} in the next seconds",
        ),
        push.ANEW: Way(
            "refused, or taken without effect: the providers are asked again to cancel, for up to {charged}.",
            "providers are asked again to cancel {count}",
        ),
    },
    nothing_done="Nothing was sent.",
)
