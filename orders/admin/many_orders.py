"""The pages of what staff do to many orders: their words and forms."""

from __future__ import annotations

from collections.abc import Collection

from orders.admin.bulk_pages import BulkPage, Way
from orders.many import ask, cancel, refill, send_again
from orders.many.actions import Data
from orders.models import Order
from orders.second_looks import WITHDRAW, ask_for_orders
from panel.accounts.models import User
from panel.staff.deeds import UNSTATED
from panel.staff.forms import WhyForm
from panel.staff.kinds import Kind


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
