"""Orders that a provider has under our key and this database does not: found by id, adopted or written off.

After a restore these are the orders that were sent since the backup: of customers whose order is gone here, and of
orders that were in the backup's queue and are in doubt now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction

from billing import ledger
from billing.models import Entry
from billing.wallets import wallet_of
from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of, client_for, same_account
from catalog.upstream.cleaning import parse_id
from catalog.upstream.errors import UpstreamError
from catalog.upstream.results import StatusRow
from orders.checkout.create import charge_key, check_and_price, new_order
from orders.checkout.validation import OrderInput
from orders.common.backoff import first_poll_after
from orders.common.poll_queue import follow
from orders.common.timeline import write_event
from orders.common.transitions import id_columns
from orders.models import Order, Orphan, PlacementAttempt, SendingStop
from orders.models.attempts import ACCEPTED
from orders.reconcile.search import ProviderIds, calibrate
from orders.states import EventKind, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.money import MAX_MICROS, MoneyError, micros_up
from panel.lib.own_account import refuse_own

log = structlog.get_logger(__name__)

# Ids in one search, and the seconds that it may take while staff wait.
SEARCH_WIDTH = 2_000
MAX_SECONDS = 24.0
_KNOWN = 20


class OrphanError(Exception):
    """It cannot be searched, adopted or written off. Nothing was changed. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Searched:
    """Which ids of a provider were searched, both inclusive, and how many orphans are new."""

    first: int
    last: int
    found: int


def search_orphans(*, stop: SendingStop, actor: User | None, width: int = SEARCH_WIDTH) -> Searched:
    """Search the next `width` ids of the provider for orders that are missing here, and keep those found.

    Begins above the highest id that is known here, or where the last search of this stop ended. Raise OrphanError if
    the provider does not answer, or if its ids cannot be searched.
    """
    provider = stop.provider
    if provider is None:
        raise OrphanError("Ids are searched at one provider at a time.")
    try:
        client = client_for(provider, read_timeout=MAX_SECONDS / 3)
        accounts = same_account(provider)
        obstacle = calibrate(client=client, provider=provider, accounts=accounts)
        if obstacle:
            raise OrphanError(f"{obstacle.note} Compare its own list of orders with yours, and add what is missing.")
        first = (stop.searched_to or _highest_id(provider)) + 1
        last = first + width - 1
        ids = ProviderIds(client=client, accounts=accounts, max_seconds=MAX_SECONDS)
        if not ids.ask(first, last):
            raise OrphanError("The provider did not answer for every id. Nothing was kept; try again.")
    except (UpstreamError, ProviderUnusable) as error:
        raise OrphanError(f"The provider could not be asked: {error}") from error
    found = _keep(provider, ids.orphans(first, last).items())
    SendingStop.objects.filter(pk=stop.pk, searched_to=stop.searched_to).update(searched_to=last)
    log.info("orphans searched", provider=provider.pk, first=first, last=last, found=found)
    return Searched(first, last, found)


def add_orphan(*, provider: Provider, upstream_id: str) -> Orphan:
    """Keep an order that staff saw in the provider's own list. Raise OrphanError if it is known here or not ours."""
    upstream_id = upstream_id.strip()
    if not upstream_id or parse_id(upstream_id) != upstream_id:
        raise OrphanError("This is no order id. Copy it from the provider's own list.")
    if Order.objects.filter(provider__in=same_account(provider), upstream_id=upstream_id).exists():
        raise OrphanError(f"An order here has the id {upstream_id} already.")
    try:
        row = client_for(provider, read_timeout=MAX_SECONDS / 3).statuses([upstream_id]).get(upstream_id)
    except (UpstreamError, ProviderUnusable) as error:
        raise OrphanError(f"The provider could not be asked: {error}") from error
    if not isinstance(row, StatusRow):
        raise OrphanError(f"{provider} says that it has no order {upstream_id} of ours.")
    _keep(provider, [(upstream_id, row)])
    return Orphan.objects.get(provider=provider, upstream_id=upstream_id)


def adopt_orphan(*, orphan: Orphan, customer: User, order_input: OrderInput, actor: User | None) -> Order:
    """Make the orphan an order of the customer: charged at today's price, accepted under its id, and followed.

    Raise OrphanError if it is decided already or the wallet holds too little, OrderRefused if the input is refused,
    OwnAccount if the customer is the actor.
    """
    refuse_own(actor=actor, customer_id=customer.pk)
    wallet = wallet_of(customer=customer)
    now = clock.now()
    due_at = now + first_poll_after()
    try:
        with transaction.atomic():
            checked, offer, charge = check_and_price(customer=customer, order_input=order_input, seen_charge=None)
            if offer.service.upstream.provider_id != orphan.provider_id:
                raise OrphanError(f"{offer.service} is not of {orphan.provider}.")
            order = new_order(
                customer=customer,
                service=offer.service,
                checked=checked,
                price=offer.price,
                charge=charge,
                request_key=f"orphan-{orphan.pk}",
                submission=Submission.ACCEPTED,
                next_action_at=None,
                accepted_at=now,
                next_poll_at=due_at,
                **id_columns(orphan.upstream_id),
            )
            order.save()
            ledger.post(
                wallet_id=wallet.pk,
                amount=-charge,
                kind=Entry.Kind.ORDER,
                key=charge_key(order),
                order_ref=order.pk,
                memo=order.service_name,
                actor=actor,
            )
            follow(order_id=order.pk, provider_id=order.provider_id, due_at=due_at)
            text = f"Adopted: the provider has it as {orphan.upstream_id}"
            write_event(order_id=order.pk, kind=EventKind.ORDERED, new=order.status, text="Order received", actor=actor)
            write_event(order_id=order.pk, kind=EventKind.SUBMISSION, text=text, actor=actor, public=False)
            _decide(orphan, Orphan.State.ADOPTED, actor=actor, order=order)
    except ledger.InsufficientFunds as error:
        raise OrphanError("The wallet of this customer holds too little. Credit their deposit first.") from error
    except IntegrityError as error:
        raise OrphanError(f"An order here has the id {orphan.upstream_id} by now.") from error
    return order


def write_off_orphan(*, orphan: Orphan, note: str, actor: User | None) -> None:
    """Close the orphan without an order: its cost is lost. Raise OrphanError if it is decided already."""
    with transaction.atomic():
        _decide(orphan, Orphan.State.WRITTEN_OFF, actor=actor, note=note[:300])


def close_known_orphans(*, provider: Provider) -> int:
    """Mark open orphans as adopted that an order here has been bound to since. Return how many."""
    closed = 0
    orphans = Orphan.objects.filter(provider=provider, state=Orphan.State.OPEN)
    known = Order.objects.filter(provider__in=same_account(provider))
    for order in known.filter(upstream_id__in=orphans.values("upstream_id")).only("pk", "upstream_id"):
        values = {"state": Orphan.State.ADOPTED, "order": order, "decided_at": clock.now()}
        closed += orphans.filter(upstream_id=order.upstream_id).update(**values)
    return closed


def _decide(orphan: Orphan, state: str, *, actor: User | None, **values: object) -> None:
    open_orphan = Orphan.objects.filter(pk=orphan.pk, state=Orphan.State.OPEN)
    if not open_orphan.update(state=state, decided_at=clock.now(), decided_by=actor, **values):
        raise OrphanError("Somebody has decided about it already.")


def _highest_id(provider: Provider) -> int:
    """Return the highest of the ids that the account gave last. Raise OrphanError if it gave none."""
    accepted = PlacementAttempt.objects.filter(
        ACCEPTED, account=account_of(provider), order__upstream_number__isnull=False
    )
    latest = accepted.order_by("-started_at").values_list("order__upstream_number", flat=True)[:_KNOWN]
    if not latest:
        raise OrphanError("No order that the provider accepted is known here, so there is no id to begin with.")
    return max(number for number in latest if number is not None)


def _keep(provider: Provider, rows: Iterable[tuple[int | str, StatusRow]]) -> int:
    """Keep these orphans, or what the provider reports of them now. Return how many are new."""
    before = Orphan.objects.filter(provider=provider).count()
    kept = [
        Orphan(
            provider=provider,
            upstream_id=str(upstream_id),
            status=row.status.value if row.status else "",
            status_text=row.status_text[:100],
            remains=_bounded(row.remains),
            start_count=_bounded(row.start_count),
            charge=_charge(row),
            currency=row.currency[:5],
        )
        for upstream_id, row in rows
    ]
    Orphan.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["provider", "upstream_id"],
        update_fields=["status", "status_text", "remains", "start_count", "charge", "currency"],
        batch_size=500,
    )
    return Orphan.objects.filter(provider=provider).count() - before


def _charge(row: StatusRow) -> int | None:
    try:
        return None if row.charge is None else micros_up(row.charge)
    except MoneyError:
        return None


def _bounded(number: int | None) -> int | None:
    return None if number is None else max(-MAX_MICROS, min(number, MAX_MICROS))
