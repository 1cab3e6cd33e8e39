"""Refunds, manual closes and cancels of orders, as a second person confirms them.

Each look keeps the state of its orders: what moved since it was asked is refused, or left alone among many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from billing.wallets import wallet_ids_of
from catalog.models import ProviderWord
from orders.checkout.drip_feeds import NothingToStop, stop_drip_feed
from orders.common.transitions import OrderMoved
from orders.dispatch.taught_words import refund_waiting
from orders.models import DripFeed, Order
from orders.requests.cancel import TooLate, withdraw_order
from orders.review import decisions
from orders.review.decisions import review_state_of
from orders.review.manual_close import close_accepted, refund_at_end
from orders.states import Status
from panel.accounts.models import User
from panel.lib.money import format_money
from panel.lib.own_account import OwnAccount
from panel.staff.acts import Act, ActRefused
from panel.staff.deeds import Why
from panel.staff.kinds import Kind
from panel.staff.looks import Asked, ask_second_look
from panel.staff.models import SecondLook

PART = "refund_part"
UNACCEPTED = "refund_unaccepted"
CLOSE = "close_accepted"
STOP = "stop_drip_feed"
WITHDRAW = "withdraw_orders"
CLOSE_MANY = "close_orders"
REFUND_MANY = "refund_orders"
REFUND_WORD = "refund_for_word"

# Orders of one look: it is carried out in one transaction.
MAX_ORDERS = 200
# They changed since, or belong to the person who asked.
_REFUSED = (OrderMoved, decisions.ReviewError, TooLate, OwnAccount)


# -- asking ------------------------------------------------------------------------------------------


def asked_part(*, order: Order, amount: int, note: str) -> Asked:
    """Return what to ask for if the refund is above the limit. Amounts are micro-units."""
    text = f"Refund {_shown(amount)} of order {order.pk} to {order.customer}: {note}"
    return _asked(PART, order, text, amount=amount, note=note)


def asked_refund(*, order: Order, note: str) -> Asked:
    """Return what to ask for if the refund of all of the order is above the limit."""
    text = f"Cancel order {order.pk} of {order.customer} and refund {_shown(order.net_charge)}: {note}"
    return _asked(UNACCEPTED, order, text, note=note)


def asked_close(*, order: Order, status: str, delivered: int | None, note: str) -> Asked:
    """Return what to ask for if the refund of a manual close is above the limit."""
    amount = refund_at_end(order, status=status, delivered=delivered) - order.refunded
    text = f"End order {order.pk} of {order.customer} as {Status(status).label} and refund {_shown(amount)}: {note}"
    return _asked(CLOSE, order, text, status=status, delivered=delivered, note=note, remains=order.remains)


def asked_stop(*, drip: DripFeed) -> Asked:
    """Return what to ask for if the refund of the runs that have not begun is above the limit."""
    return Asked(
        act=STOP,
        about=drip,
        text=f"Stop drip-feed {drip.pk} of {drip.customer} and refund {_shown(drip.refund_of_stop)}",
        params={"begun": drip.begun},
        request_key=f"{STOP}:{drip.pk}:{drip.begun}",
        customer_id=drip.customer_id,
    )


def ask_for_orders(
    *, act: str, orders: Sequence[Order], actor: User, why: Why, note: str = "", word: ProviderWord | None = None
) -> str:
    """Ask a second person about the orders that were above the limit of the first; return that as a sentence, or "".

    `act` is WITHDRAW, REFUND_MANY or REFUND_WORD. At most MAX_ORDERS at once, the others stay as they are.
    """
    chosen = _first(orders)
    if not chosen:
        return ""
    return _ask_many(
        act=act,
        orders=chosen,
        about=word or chosen[0],
        kind=Kind.REFUND,
        verb="Cancel",
        amount=sum(order.net_charge for order in chosen),
        params={"note": note, "word": word.pk if word else None},
        left=len(orders) - len(chosen),
        actor=actor,
        why=why,
    )


def ask_to_close(
    *, orders: Sequence[Order], ends: Mapping[int, tuple[str, int | None]], note: str, actor: User, why: Why
) -> str:
    """Ask a second person to close orders whose refunds were above the limit of the first; return that as a sentence.

    `ends` gives by number the status in which each ends, and for Partial how many were delivered. At most MAX_ORDERS at
    once, the others stay as they are.
    """
    chosen = _first(orders)
    named = {order.pk: ends[order.pk] for order in chosen}
    refunds = (refund_at_end(one, status=named[one.pk][0], delivered=named[one.pk][1]) - one.refunded for one in chosen)
    return _ask_many(
        act=CLOSE_MANY,
        orders=chosen,
        about=chosen[0],
        kind=Kind.CLOSE,
        verb=_ends_in_words(named.values()),
        amount=sum(refunds),
        params={
            "note": note,
            "ends": {str(pk): list(end) for pk, end in named.items()},
            "remains": {str(one.pk): one.remains for one in chosen},
        },
        left=len(orders) - len(chosen),
        actor=actor,
        why=why,
    )


def _ends_in_words(ends: Iterable[tuple[str, int | None]]) -> str:
    """Return "End (2 Canceled, 1 Partial)"."""
    counts = Counter(str(Status(status).label) for status, _ in ends)
    return f"End ({', '.join(f'{count:,} {label}' for label, count in sorted(counts.items()))})"


def _first(orders: Sequence[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.pk)[:MAX_ORDERS]


def _ask_many(
    *,
    act: str,
    orders: Sequence[Order],
    about: Model,
    kind: Kind,
    verb: str,
    amount: int,
    params: Mapping[str, object],
    left: int,
    actor: User,
    why: Why,
) -> str:
    count = "1 order" if len(orders) == 1 else f"{len(orders):,} orders"
    asked = Asked(
        act=act,
        about=about,
        text=f"{verb} {count} and refund {_shown(amount)}: {_numbers(orders)}",
        params={"orders": [[order.pk, review_state_of(order)] for order in orders], **params},
        request_key=f"{act}:{orders[0].pk}-{orders[-1].pk}:{len(orders)}:{amount}",
        # With several customers, the act itself leaves the orders of the person who asked alone.
        customer_id=orders[0].customer_id if len({order.customer_id for order in orders}) == 1 else None,
    )
    ask_second_look(asked=asked, kind=kind, amount=amount, actor=actor, why=why)
    waits = "waits" if len(orders) == 1 else "wait"
    rest = f" {left:,} more are left as they are." if left else ""
    return (
        f"{count.capitalize()} for {_shown(amount)} {waits} for a second person, under “Second looks”: that is above "
        f"your limit.{rest}"
    )


def _asked(act: str, order: Order, text: str, **params: object) -> Asked:
    state = review_state_of(order)
    return Asked(
        act=act,
        about=order,
        text=text,
        params={**params, "state": state},
        request_key=f"{act}:{order.pk}:{state}"[:200],
        customer_id=order.customer_id,
    )


def _numbers(orders: Sequence[Order]) -> str:
    shown = ", ".join(str(order.pk) for order in orders[:40])
    return f"{shown} and others" if len(orders) > 40 else shown


# -- carrying out ------------------------------------------------------------------------------------


def _unchanged(look: SecondLook) -> Order:
    """Return the look's order. Raise ActRefused if it is not as it was when this was asked."""
    order = Order.objects.select_related("customer", "provider", "service__upstream").get(pk=look.object_id)
    if review_state_of(order) != look.params["state"]:
        raise ActRefused(f"Order {order.pk} changed since this was asked.")
    return order


def _one(look: SecondLook, act: Callable[[Order], str]) -> str:
    try:
        return act(_unchanged(look))
    except OrderMoved as error:
        raise ActRefused("The order changed at this moment.") from error
    except _REFUSED as error:
        raise ActRefused(str(error)) from error


def _refund_part(look: SecondLook, why: Why) -> str:
    amount, note = look.params["amount"], look.params["note"]

    def act(order: Order) -> str:
        decisions.refund_part(order=order, amount=amount, note=note, actor=look.asked_by, why=why)
        return f"{_shown(amount)} of order {order.pk} refunded."

    return _one(look, act)


def _refund_unaccepted(look: SecondLook, why: Why) -> str:
    def act(order: Order) -> str:
        back = order.net_charge
        decisions.refund_unaccepted(order=order, note=look.params["note"], actor=look.asked_by, why=why)
        return f"Order {order.pk} canceled, and {_shown(back)} refunded."

    return _one(look, act)


def _close(look: SecondLook, why: Why) -> str:
    params = look.params

    def act(order: Order) -> str:
        _check_remains(order, params.get("remains", order.remains))
        back = close_accepted(
            order=order,
            status=params["status"],
            delivered=params["delivered"],
            note=params["note"],
            actor=look.asked_by,
            why=why,
        )
        return f"Order {order.pk} ended as {Status(params['status']).label}; {_shown(back)} refunded."

    return _one(look, act)


def _check_remains(order: Order, asked: int | None) -> None:
    """Raise OrderMoved if more was delivered since this was asked. Looks of the release before kept no remains."""
    if order.remains != asked:
        raise OrderMoved(f"order {order.pk} has {order.remains} remaining")


def _stop(look: SecondLook, why: Why) -> str:
    drip = DripFeed.objects.select_related("service__upstream").get(pk=look.object_id)
    if drip.begun != look.params["begun"]:
        raise ActRefused("Another run began since this was asked.")
    try:
        back = stop_drip_feed(drip=drip, actor=look.asked_by, why=why)
    except NothingToStop as error:
        raise ActRefused(str(error)) from error
    return f"Drip-feed {drip.pk} stopped; {_shown(back)} refunded."


def _withdraw(look: SecondLook, why: Why) -> str:
    return _cancel_many(look, lambda order: withdraw_order(order=order, actor=look.asked_by, why=why))


def _refund_many(look: SecondLook, why: Why) -> str:
    note = look.params["note"]
    return _cancel_many(
        look, lambda order: decisions.refund_unaccepted(order=order, note=note, actor=look.asked_by, why=why)
    )


def _refund_word(look: SecondLook, why: Why) -> str:
    word = ProviderWord.objects.get(pk=look.params["word"])
    return _cancel_many(look, lambda order: refund_waiting(word=word, order=order, actor=look.asked_by, why=why))


def _cancel_many(look: SecondLook, act: Callable[[Order], object]) -> str:
    def cancel(order: Order) -> int:
        back = order.net_charge
        act(order)
        return back

    return _many(look, cancel, done="Canceled")


def _close_many(look: SecondLook, why: Why) -> str:
    ends, note = look.params["ends"], look.params["note"]
    remains = look.params.get("remains", {})

    def close(order: Order) -> int:
        _check_remains(order, remains.get(str(order.pk), order.remains))
        status, delivered = ends[str(order.pk)]
        return close_accepted(order=order, status=status, delivered=delivered, note=note, actor=look.asked_by, why=why)

    return _many(look, close, done="Ended")


def _many(look: SecondLook, act: Callable[[Order], int], *, done: str) -> str:
    """Apply `act`, which returns its refund, to each order that is as it was; the others are left alone. Return what
    was done.

    All orders are locked first, then wallets by id, as everywhere. Raise ActRefused if none was left to do.
    """
    states = dict(look.params["orders"])
    list(Order.objects.filter(pk__in=states).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    orders = list(Order.objects.filter(pk__in=states).select_related("customer", "provider", "service__upstream"))
    wallets = wallet_ids_of(customer_ids={order.customer_id for order in orders})
    count = back = 0
    for order in sorted(orders, key=lambda order: (wallets.get(order.customer_id, 0), order.pk)):
        second = look.decided_by_id
        if review_state_of(order) != states[order.pk] or order.customer_id == second:
            continue
        try:
            with transaction.atomic():
                refunded = act(order)
        except _REFUSED:
            continue
        count, back = count + 1, back + refunded
    if not count:
        raise ActRefused("None of these orders is as it was when this was asked.")
    left = f" {len(states) - count:,} left alone: they changed since." if len(states) > count else ""
    return f"{done}: {count:,}, and {_shown(back)} refunded.{left}"


def _shown(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY, exact=True)


ACTS = (
    Act(PART, "orders.change_order", _refund_part),
    Act(UNACCEPTED, "orders.change_order", _refund_unaccepted),
    Act(CLOSE, "orders.change_order", _close),
    Act(STOP, "orders.change_dripfeed", _stop),
    Act(WITHDRAW, "orders.change_order", _withdraw),
    Act(CLOSE_MANY, "orders.change_order", _close_many),
    Act(REFUND_MANY, "catalog.connect_provider", _refund_many),
    Act(REFUND_WORD, "catalog.change_providerword", _refund_word),
)
