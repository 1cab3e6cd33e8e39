"""Corrections by staff: what a customer ordered, while it was surely never sent; and the start count, at any time.

The content is checked by the rules of the customer's form, and neither quantity nor charge can change. A sender reads
an order and claims it while it holds the lock of the order's provider. So does a correction, which therefore comes
either before the order is read, or after it was claimed and then changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from billing.models import Wallet
from catalog.models import Provider
from catalog.service_types import SPECS
from orders.checkout.validation import OrderInput, OrderRefused, amount_of, clean_content
from orders.common.timeline import write_event
from orders.common.transitions import OrderMoved
from orders.marks.guard import may_lack_orders
from orders.models import Order
from orders.review.decisions import ReviewError
from orders.states import MAYBE_ACCEPTED, OPEN, UNSENT_REVIEWS, EventKind, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.links.keys import link_key, link_keys
from panel.lib.own_account import refuse_own
from panel.lib.prepared_sql import update_row

# Characters of a link or a text that the timeline quotes.
QUOTED = 200
MAX_START = 10**15
# What a correction was made for: if one of them changed, somebody else was faster.
_SEEN = ("submission", "claim_token", "attempts", "review_reason", "link", "params")


class ContentRefused(ReviewError):
    """What was typed cannot be ordered. `refusals` name their fields, in the words of the customer's form."""

    def __init__(self, refusals: Sequence[OrderRefused]) -> None:
        super().__init__(refusals[0].message)
        self.refusals = refusals


def why_not_corrected(order: Order) -> str:
    """Return why the content of the order cannot be corrected, for staff; "" if it was surely never sent.

    One statement if it was sent and not accepted, else none.
    """
    if order.submission in (Submission.REFUSED, Submission.WITHDRAWN):
        return "it has ended"
    if order.submission == Submission.SUBMITTING:
        return "it is being sent"
    if order.submission != Submission.QUEUED:
        return "it was sent"
    may_be_sent = order.review_reason not in ("", *UNSENT_REVIEWS)
    if may_be_sent or (order.attempts and order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED).exists()):
        return "the provider may have it"
    return "" if order.service_type in SPECS else "its type is not sold any more"


def check_content(*, order: Order, link: str, params: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return link and parameters as they are stored and sent. Raise ContentRefused, also if the quantity differs."""
    typed = OrderInput(order.service_id, link, order.quantity, params)
    expected = order.service.expected_link
    link, params, refusals = clean_content(service_type=order.service_type, order_input=typed, expected=expected)
    lines = SPECS[order.service_type].lines
    if lines in params:
        count = amount_of(service_type=order.service_type, quantity=order.quantity, params=params)
        if count != order.quantity:
            text = f"{order.quantity:,} were paid for; write as many, one on each line. These are {count:,}."
            refusals.append(OrderRefused(text, field=lines))
    if refusals:
        raise ContentRefused(refusals)
    return link, params


def correct_content(*, order: Order, link: str, params: Mapping[str, str], actor: User | None) -> None:
    """Correct link and parameters of an order that was never sent, and tell its customer.

    Raise ReviewError if that cannot be, OrderMoved if the order changed since it was read, or OwnAccount.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    if why_not := why_not_corrected(order):
        raise ReviewError(f"It cannot be corrected: {why_not}.")
    if may_lack_orders(provider_id=order.provider_id):
        raise ReviewError("Sending is stopped until it is known what was sent, so this order may have been sent.")
    link, cleaned = check_content(order=order, link=link, params=params)
    texts = _told(order, link, cleaned)
    if not texts:
        raise ReviewError("This is what was ordered. Change something, or go back.")
    with transaction.atomic():
        Provider.objects.select_for_update(no_key=True).get(pk=order.provider_id)
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        if any(getattr(locked, name) != getattr(order, name) for name in _SEEN) or why_not_corrected(locked):
            raise OrderMoved(f"order {order.pk}")
        _refuse_second(order, link)
        same = {"pk": order.pk, "submission": Submission.QUEUED, "claim_token": order.claim_token}
        values = {"link": link, "link_key": link_key(link), "params": cleaned}
        if not update_row(model=Order, same=same, values=values):
            raise OrderMoved(f"order {order.pk}")
        for text in texts:
            write_event(order_id=order.pk, kind=EventKind.STAFF, text=text, actor=actor)


def correct_start_count(*, order: Order, start_count: int, note: str, actor: User | None) -> None:
    """Set the start count, which no answer changes any more. `note` is for staff.

    Raise ReviewError if it is the same or out of range, OrderMoved if it changed since it was read, or OwnAccount.
    """
    refuse_own(actor=actor, customer_id=order.customer_id)
    if not 0 <= start_count <= MAX_START:
        raise ReviewError(f"A start count is 0 to {MAX_START:,}.")
    if start_count == order.start_count:
        raise ReviewError("This is the start count already.")
    with transaction.atomic():
        unchanged = Order.objects.filter(pk=order.pk, start_count=order.start_count)
        if not unchanged.update(start_count=start_count, start_corrected_at=clock.now()):
            raise OrderMoved(f"order {order.pk}")
        write_event(
            order_id=order.pk,
            kind=EventKind.STAFF,
            old="" if order.start_count is None else f"{order.start_count:,}",
            new=f"{start_count:,}",
            text=f"Start count corrected: {note}",
            actor=actor,
            public=False,
        )


def _refuse_second(order: Order, link: str) -> None:
    """Raise ReviewError if the service takes one order of a link at a time, and the new link has one.

    With the wallet locked, as by whoever creates an order: two at the same moment see each other.
    """
    if not order.service.one_at_a_time or link_key(link) == link_key(order.link):
        return
    Wallet.objects.select_for_update(no_key=True).get(customer=order.customer_id)
    same = Order.objects.filter(customer=order.customer_id, link_key__in=link_keys(link), status__in=OPEN)
    there = same.filter(provider=order.provider_id, upstream_service_id=order.upstream_service_id)
    if other := there.exclude(pk=order.pk).order_by().values_list("pk", flat=True).first():
        raise ReviewError(f"Order {other} for that link has not ended, and this service takes one at a time.")


def _told(order: Order, link: str, params: Mapping[str, str]) -> list[str]:
    """Return what the customer reads of the correction: a sentence for each thing that differs."""
    texts = []
    if link != order.link:
        texts.append(f"Our team corrected the link from {_quoted(order.link)} to {_quoted(link)}")
    labels = {param.name: param.label for param in SPECS[order.service_type].params}
    for name in dict.fromkeys((*params, *order.params)):
        old, new = str(order.params.get(name) or ""), params.get(name, "")
        if old == new:
            continue
        label = labels.get(name, name)
        if "\n" in old or "\n" in new:
            texts.append(f"Our team corrected “{label}”")
        else:
            texts.append(
                f"Our team corrected “{label}” from {_quoted(old) or 'nothing'} to {_quoted(new) or 'nothing'}"
            )
    return texts


def _quoted(text: str) -> str:
    if len(text) <= QUOTED:
        return text
    return f"{text[: QUOTED // 2]}…{text[-QUOTED // 2 :]}"
