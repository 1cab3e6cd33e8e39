"""Drip-feeds: several runs of one order, paid at the start, each an order that is created when it is due.

Beginning a run posts nothing, since all runs are paid. Beginning and stopping both update the drip-feed's row under
the condition that `begun` is unchanged, so each run is either created or refunded. A paused one has no `next_run_at`,
so no run of it is due. Every step is one transaction: a worker that is killed leaves due runs due.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from billing import ledger
from billing.models import Entry
from billing.order_holds import held_customers
from billing.wallets import lock_wallet, wallet_id_of, wallet_of
from catalog.models import Service
from orders.checkout.create import CreatedOrder, NotEnoughFunds, check_and_price, create_once, new_order
from orders.checkout.validation import CheckedOrder, OrderInput
from orders.common.link_waits import hold_behind_running
from orders.common.stops import open_now
from orders.common.timeline import write_event
from orders.common.turns import give_turns
from orders.marks.guard import is_latest, may_lack_orders
from orders.models import DripFeed, Order, SendingStop
from orders.states import DripState, EventKind, StopReason
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.money import format_money
from panel.lib.task_hints import hint_after_commit
from panel.staff.deeds import UNSTATED, Why, record_deed
from panel.staff.kinds import Kind

log = structlog.get_logger(__name__)

MAX_IN_A_ROUND = 500
RETRY_AFTER = timedelta(minutes=10)


class NothingToStop(Exception):
    """The drip-feed has ended or all runs have begun; nothing was changed. The message is for the customer."""


class CannotPause(Exception):
    """The drip-feed has ended, or runs may be missing here; nothing was changed. The message is for the customer."""


def start_drip_feed(
    *,
    customer: User,
    order_input: OrderInput,
    request_key: str,
    seen_charge: int | None,
    api_key_ref: int | None = None,
) -> CreatedOrder:
    """Charge all runs and begin the first, once for each `request_key` of a customer.

    `seen_charge` is for all runs, in micro-units; everything else is as in `create_order`. Raise OrderRefused or a
    subclass if the drip-feed cannot be created; then nothing was changed.
    """
    wallet = wallet_of(customer=customer)

    def start() -> Order:
        checked, offer, charge = check_and_price(customer=customer, order_input=order_input, seen_charge=seen_charge)
        service, now = offer.service, clock.now()
        runs, interval = checked.plan
        drip = DripFeed.objects.create(
            customer=customer,
            service=service,
            service_name=service.name,
            link=checked.link,
            quantity=checked.quantity,
            params=checked.params,
            runs=runs,
            interval=interval,
            price=offer.price,
            run_charge=charge // runs,
            charge=charge,
            next_run_at=now,
            created_at=now,
        )
        # Before the debit, so that the other half of a double click fails on the request key, not on the balance.
        first = _begin(drip, service, now, request_key, service_type=service.type, api_key_ref=api_key_ref)
        try:
            ledger.post(
                wallet_id=wallet.pk,
                amount=-charge,
                kind=Entry.Kind.DRIP_FEED,
                key=f"drip:{drip.pk}:charge",
                drip_ref=drip.pk,
                memo=service.name,
            )
        except ledger.InsufficientFunds as error:
            raise NotEnoughFunds(charge=charge, available=error.available) from error
        return first

    return create_once(customer=customer, order_input=order_input, request_key=request_key, create=start)


# -- the runs ----------------------------------------------------------------------------------------


def begin_due_runs() -> int:
    """Begin the next run of each drip-feed that is due. Return how many began.

    None begins while the database may be a restored one: the run may have begun, and been sent, after the backup.
    """
    if not is_latest():
        return 0
    lacking = SendingStop.objects.filter(open_now(), reason=StopReason.BALANCE).values("provider")
    due = (
        DripFeed.objects.filter(next_run_at__lte=clock.now())
        .exclude(service__upstream__provider__in=lacking)
        .exclude(customer__in=held_customers())
        .order_by("next_run_at", "pk")
    )
    begun = 0
    for pk in list(due.values_list("pk", flat=True)[:MAX_IN_A_ROUND]):
        try:
            if begin_next_run(pk=pk):
                begun += 1
                resolve_alert(cause=Cause.STUCK, about=pk)
        except Exception as error:
            log.exception("run not begun", drip_feed=pk)
            # Postpone it, so that one that always fails does not stay at the head of the queue.
            due.filter(pk=pk).update(next_run_at=clock.now() + RETRY_AFTER)
            text = f"The next run of drip-feed {pk} could not begin: {error!r}"
            raise_alert(cause=Cause.STUCK, about=pk, text=text, level="danger")
    if begun:
        hint_after_commit("orders.tasks.submit_orders")
    return begun


def begin_next_run(*, pk: int, even_if_held: bool = False) -> bool:
    """Begin the next run. Return False if it is not due or another worker has locked the drip-feed.

    And if the customer's orders are held, unless `even_if_held`.
    """
    now = clock.now()
    with transaction.atomic():
        drip = (
            DripFeed.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
            .select_related("service__upstream__provider")
            .filter(pk=pk, next_run_at__lte=now)
            .first()
        )
        if drip is None:
            return False
        lock_wallet(customer_id=drip.customer_id)
        if not even_if_held and held_customers().filter(customer_id=drip.customer_id).exists():
            return False
        # The type that was sold: the service may have another by now.
        sold_type = Order.objects.values_list("service_type", flat=True).get(drip_feed=drip, run=1)
        _begin(drip, drip.service, now, f"drip-{drip.pk}-{drip.begun + 1}", service_type=sold_type)
        return True


def _begin(
    drip: DripFeed,
    service: Service,
    now: datetime,
    request_key: str,
    *,
    service_type: str,
    api_key_ref: int | None = None,
) -> Order:
    """Create the next run as an order, at the price of the drip-feed.

    The interval counts from now, so that overdue runs do not all begin at once after an outage.
    """
    run = drip.begun + 1
    is_last = run == drip.runs
    moved = DripFeed.objects.filter(pk=drip.pk, state=DripState.RUNNING, begun=drip.begun, paused_at=None).update(
        begun=run,
        state=DripState.COMPLETED if is_last else DripState.RUNNING,
        next_run_at=None if is_last else now + timedelta(minutes=drip.interval),
        ended_at=now if is_last else None,
    )
    if not moved:
        raise RuntimeError(f"drip-feed {drip.pk} moved under its lock")
    order = new_order(
        customer=drip.customer,
        service=service,
        checked=CheckedOrder(drip.service_id, drip.link, drip.quantity, drip.params),
        price=drip.price,
        charge=drip.run_charge,
        request_key=request_key,
        service_type=service_type,
        drip_feed=drip,
        run=run,
        api_key_ref=api_key_ref,
    )
    # The name that was sold: the service may have another by now.
    order.service_name = drip.service_name
    give_turns(orders=[order])
    hold_behind_running(orders=[order])
    order.save()
    write_event(order_id=order.pk, kind=EventKind.ORDERED, new=order.status, text=f"Run {run} of {drip.runs} began")
    return order


def stop_drip_feed(*, drip: DripFeed, actor: User | None, why: Why = UNSTATED) -> int:
    """Stop the drip-feed, refund the runs that have not begun, and return that refund in micro-units.

    Runs that began continue like any order. Raise NothingToStop if it has ended, or if runs may have been sent that
    this database does not know. Raise AboveLimit for staff.
    """
    if may_lack_orders(provider_id=drip.service.upstream.provider_id):
        raise NothingToStop(_("It cannot be stopped right now. Nothing was changed. Please try again later."))
    with transaction.atomic():
        held = DripFeed.objects.select_for_update(no_key=True).get(pk=drip.pk)
        if not held.is_running:
            raise NothingToStop(_("All of its runs have begun, or it was stopped before. Nothing was changed."))
        left = held.runs_left
        amount = held.run_charge * left
        record_deed(actor=actor, kind=Kind.REFUND, amount=amount, about=held, customer_id=held.customer_id, why=why)
        moved = DripFeed.objects.filter(pk=held.pk, state=DripState.RUNNING, begun=held.begun).update(
            state=DripState.STOPPED,
            refunded=F("refunded") + amount,
            next_run_at=None,
            paused_at=None,
            wait_left=None,
            ended_at=clock.now(),
        )
        if not moved:
            raise RuntimeError(f"drip-feed {held.pk} moved under its lock")
        ledger.post(
            wallet_id=wallet_id_of(customer_id=held.customer_id),
            amount=amount,
            kind=Entry.Kind.REFUND,
            key=f"drip:{held.pk}:refund",
            drip_ref=held.pk,
            memo=held.service_name,
            actor=actor,
        )
    resolve_alert(cause=Cause.STUCK, about=held.pk)
    log.info(
        "drip-feed stopped",
        drip_feed=held.pk,
        runs_left=left,
        refunded=format_money(amount, settings.PANEL_CURRENCY, exact=True),
    )
    drip.refresh_from_db()
    return amount


# -- pauses ------------------------------------------------------------------------------------------


def pause_drip_feed(*, drip: DripFeed) -> bool:
    """Begin no further run until it is resumed; runs that began continue. Return False if it was paused before.

    Raise CannotPause if all runs have begun, or if runs may have been sent that this database does not know.
    """
    now = clock.now()
    with _held_for_pause(drip) as held:
        if held.next_run_at is None:
            return False
        wait = max(0, int((held.next_run_at - now).total_seconds()))
        _move(held, paused_at=now, wait_left=wait, next_run_at=None)
    resolve_alert(cause=Cause.STUCK, about=drip.pk)
    log.info("drip-feed paused", drip_feed=drip.pk, wait_left=wait)
    return True


def resume_drip_feed(*, drip: DripFeed) -> bool:
    """Begin runs again, the next one after what was left to wait at the pause. Return False if it was not paused.

    Raise CannotPause as for a pause.
    """
    with _held_for_pause(drip) as held:
        if not held.is_paused:
            return False
        next_run_at = clock.now() + timedelta(seconds=held.wait_left or 0)
        _move(held, paused_at=None, wait_left=None, next_run_at=next_run_at)
    log.info("drip-feed resumed", drip_feed=drip.pk)
    return True


@contextmanager
def _held_for_pause(drip: DripFeed) -> Iterator[DripFeed]:
    """Lock a running drip-feed, and reload `drip` after the change. Raise CannotPause."""
    # After a restore, runs that were due since the backup may have been sent. A pause would hide one from that search.
    if may_lack_orders(provider_id=drip.service.upstream.provider_id):
        raise CannotPause(_("It cannot be changed right now. Nothing was changed. Please try again later."))
    with transaction.atomic():
        held = DripFeed.objects.select_for_update(no_key=True).get(pk=drip.pk)
        if not held.is_running:
            raise CannotPause(_("All of its runs have begun, or it was stopped. Nothing was changed."))
        yield held
    drip.refresh_from_db()


def _move(held: DripFeed, **values: Any) -> None:
    moved = DripFeed.objects.filter(
        pk=held.pk, state=DripState.RUNNING, begun=held.begun, paused_at=held.paused_at
    ).update(**values)
    if not moved:
        raise RuntimeError(f"drip-feed {held.pk} moved under its lock")
