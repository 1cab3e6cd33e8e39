"""Whether a provider keeps its promise to take one request id once.

A promise is the owner's word for it. So after a repetition settled a doubt, the ids around it are looked at for
an order that can be nothing but a repeated one taken twice. Until that could be looked at, nothing else is
repeated there.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, drop_request_ids, request_scope, same_account
from catalog.upstream.errors import UpstreamError
from orders.models import Order, PlacementAttempt
from orders.reconcile import id_probe
from orders.reconcile.match import Suspect, may_be
from orders.states import MAYBE_TAKEN, Placement

NEARBY = 100
SECONDS = 30.0


def remember_repetition(*, provider: Provider, order: Order) -> None:
    """The order was settled by a repetition: whether it was taken once is to be looked at. Updates `provider`."""
    if provider.promise_unchecked is None:
        provider.promise_unchecked = order.pk
        Provider.objects.filter(pk=provider.pk).update(promise_unchecked=order.pk)


def may_trust(*, provider: Provider) -> bool:
    """Whether another order may be repeated there. Updates `provider`.

    Not while it could not be asked about the last repetition, and never again once it took one id twice: then
    its request ids are switched off, with an alert.
    """
    order = Order.objects.filter(pk=provider.promise_unchecked).first() if provider.promise_unchecked else None
    if order is None:
        return True
    try:
        prober = _look_around(provider, order)
    except (UpstreamError, ProviderUnusable, _NotNow):
        return False
    first = id_probe.first_sending(order)
    since = first.started_at if first else order.created_at
    # Before the ids that are known: an order that is recorded in between is known then, and no twin.
    repeated, others = _repeated(provider, since), _others(provider, since)
    found = prober.orphans(min(prober.answers), max(prober.answers)) if prober and prober.answers else {}
    maybe_twins = [number for number, row in found.items() if any(may_be(one, row) for one in repeated)]
    twins = [number for number in maybe_twins if not any(may_be(one, found[number]) for one in others)]
    if twins:
        ids = ", ".join(map(str, sorted(twins)))
        text = (
            f"{provider.name} seems to have taken repeated orders twice, the second time as {ids}: it does not keep "
            "its promise about request IDs. They are switched off; ask it to cancel what is too much."
        )
        drop_request_ids(provider=provider, text=text)
        provider.request_id_parameter = ""
        provider.promise_unchecked = None
        return False
    if not maybe_twins:
        Provider.objects.filter(pk=provider.pk).update(promise_unchecked=None)
        provider.promise_unchecked = None
    # Else it may be another doubt's: once that is repeated too, it is seen whose it was.
    return True


class _NotNow(Exception):
    """It cannot be told now, but may be later."""


def _look_around(provider: Provider, order: Order) -> id_probe.Prober | None:
    """What the provider says of the ids around the repeated order; None where ids tell nothing. Raises _NotNow."""
    number, window = order.upstream_number, id_probe.window_of(order=order)
    if number is None or window is None or not provider.probes_ids:
        return None
    accounts = same_account(provider)
    client = client_for(provider, read_timeout=SECONDS)
    verdict = id_probe.calibrate(client=client, provider=provider, accounts=accounts)
    if not verdict.works and verdict.is_final:
        return None
    prober = id_probe.Prober(client=client, accounts=accounts, seconds=SECONDS)
    low, high = max(window.low + 1, number - id_probe.WIDEST), number + NEARBY
    if not verdict.works or not prober.ask(low, high):
        raise _NotNow
    return prober


def _repeated(provider: Provider, since: datetime) -> list[Suspect]:
    """Placed orders that were sent more than once under one request id."""
    earlier = PlacementAttempt.objects.filter(
        order__provider=provider,
        order__placement=Placement.PLACED,
        request_scope=request_scope(provider),
        outcome__in=MAYBE_TAKEN,
        started_at__gte=since,
    ).exclude(order__claim_token=F("token"))
    return [id_probe.suspect_of(order=one.order, sent_at=one.started_at) for one in earlier.select_related("order")]


def _others(provider: Provider, since: datetime) -> list[Suspect]:
    """Orders that may be there unknown to us and are not placed."""
    suspects = id_probe.suspects_of(accounts=same_account(provider), since=since)
    placed = Order.objects.filter(pk__in=[one.order_id for one in suspects], placement=Placement.PLACED)
    settled = set(placed.values_list("pk", flat=True))
    return [one for one in suspects if one.order_id not in settled]
