"""One look for doubtful orders at their provider, and what it leaves for staff to see.

Soundness of a binding rests on the order of reading: first what the provider has, then which orders of ours
may be there unknown to us, then which ids are known. An answer that is recorded in between makes an orphan
known; one that is not recorded yet makes a suspect, and with two explanations nothing is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of, client_for, same_account
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ProviderRefused, UnreadableAnswer, UpstreamError
from catalog.upstream.results import StatusRow
from orders.common.transitions import OrderMoved
from orders.dispatch.submit import may_repeat
from orders.models import Order, PlacementAttempt
from orders.reconcile import id_probe
from orders.reconcile.match import Suspect, Window, agrees, sole_match
from orders.review.decisions import ReviewError, ask_for_review, bind_upstream_id
from orders.states import Placement, ReviewReason
from panel.lib.money import MoneyError, micros_down

log = structlog.get_logger(__name__)

MOST_SHOWN = 20
PATIENCE = 135.0
STAFF_PATIENCE = 24.0
_ELSEWHERE = "It was sent to another account there than the one that is set up now, so this one tells nothing of it."


def look_for(*, provider: Provider, doubts: Sequence[Order], patience: float = PATIENCE) -> int:
    """Looks for the doubts by their ids and binds those that are found; returns how many.

    Never sends anything but reading actions, and never raises for what the provider does. `patience`: about
    how many seconds all of it may take.
    """
    if not doubts:
        return 0
    try:
        client = client_for(provider, read_timeout=patience / 3)
        _note_balance(client, account_of(provider), doubts)
        return _look(provider, client, doubts, patience)
    except (UpstreamError, ProviderUnusable) as error:
        for order in doubts:
            _note(order, f"The provider could not be asked: {error}")
        return 0


def look_now(*, order: Order) -> bool:
    """Staff want to know now: one look for a doubt, also for one in review. Raises ReviewError."""
    if order.placement != Placement.IN_DOUBT:
        raise ReviewError("This order is not in doubt.")
    return bool(look_for(provider=order.provider, doubts=[order], patience=STAFF_PATIENCE))


def check_id(*, order: Order, upstream_id: str) -> None:
    """Asks the provider about an id that staff want to bind. Raises ReviewError when it says "not ours".

    A provider that does not answer now settles nothing, and staff may know better.
    """
    accounts = same_account(order.provider)
    if Order.objects.filter(provider__in=accounts, upstream_id=upstream_id).exclude(pk=order.pk).exists():
        raise ReviewError(f"Another order is already bound to {upstream_id}.")
    try:
        if id_probe.sent_elsewhere(order=order, provider=order.provider):
            return
        answers = client_for(order.provider, read_timeout=STAFF_PATIENCE / 3).statuses([upstream_id])
    except (UpstreamError, ProviderUnusable, ValueError):
        return
    if id_probe.is_unknown(answers.get(upstream_id)):
        raise ReviewError(f"{order.provider.name} says that it has no order {upstream_id} of ours.")


# -- one look ----------------------------------------------------------------------------------------


def _look(provider: Provider, client: UpstreamClient, doubts: Sequence[Order], patience: float) -> int:
    accounts = same_account(provider)
    verdict = _verdict(provider, client, accounts)
    if not verdict.works:
        for order in doubts:
            _give_up(provider, order, verdict)
        return 0
    prober = id_probe.Prober(client=client, accounts=accounts, seconds=patience / 3)
    windows: dict[int, Window] = {}
    for order in doubts:
        window = id_probe.window_of(order=order)
        if id_probe.sent_elsewhere(order=order, provider=provider):
            _give_up(provider, order, id_probe.Calibration(False, _ELSEWHERE, is_final=True))
        elif window is None:
            _note(order, "No order that was placed there before it is known, so there is no place to begin.")
        elif window.high is not None and window.high - window.low - 1 > id_probe.WIDEST:
            _give_up(provider, order, id_probe.Calibration(False, _too_wide(window), is_final=True))
        elif prober.ask(*_range(window)):
            windows[order.pk] = window
        else:
            _note(order, "The provider did not answer for every id.")
    searched = [order for order in doubts if order.pk in windows]
    if not searched:
        return 0
    # Suspects before known ids: see the module's docstring.
    since = min(sending.started_at for order in searched if (sending := id_probe.first_sending(order)))
    suspects = id_probe.suspects_of(accounts=accounts, since=since)
    return sum(_settle(order, windows[order.pk], suspects, prober) for order in searched)


def _verdict(provider: Provider, client: UpstreamClient, accounts: Sequence[int]) -> id_probe.Calibration:
    if not provider.probes_ids:
        return id_probe.Calibration(False, "Looking for doubtful orders is switched off there.", is_final=True)
    verdict = id_probe.calibrate(client=client, provider=provider, accounts=accounts)
    Provider.objects.filter(pk=provider.pk).update(
        probe_works=verdict.works, probe_note=verdict.note, probe_checked_at=timezone.now()
    )
    return verdict


def _give_up(provider: Provider, order: Order, verdict: id_probe.Calibration) -> None:
    """Notes why it cannot be looked for; staff are asked at once where waiting would change nothing."""
    _note(order, verdict.note)
    if verdict.is_final and not order.review_reason and not may_repeat(provider=provider, order=order):
        with transaction.atomic():
            ask_for_review(order=order, reason=ReviewReason.DOUBT, note=verdict.note)


def _range(window: Window) -> tuple[int, int]:
    high = window.low + id_probe.WIDEST if window.high is None else window.high - 1
    return window.low + 1, high


def _settle(order: Order, window: Window, suspects: Sequence[Suspect], prober: id_probe.Prober) -> bool:
    low, high = _range(window)
    orphans = prober.orphans(low, high)
    doubt = next((one for one in suspects if one.order_id == order.pk), None)
    found = sole_match(doubt=doubt, window=window, suspects=suspects, orphans=orphans) if doubt else None
    _note(
        order,
        _told(low, high, orphans, found, is_open=window.high is None),
        probed_from=low,
        probed_to=high,
        orphans=_shown(doubt, orphans),
    )
    if not found:
        return False
    text = f"Found at the provider as {found}: the one order of ours there that nothing else accounts for"
    try:
        bind_upstream_id(order=order, upstream_id=str(found), text=text)
    except (OrderMoved, ReviewError):
        return False  # Settled otherwise meanwhile.
    log.info("doubt settled by its id", order=order.pk, upstream_id=found)
    return True


# -- evidence ----------------------------------------------------------------------------------------


def _note_balance(client: UpstreamClient, account: str, doubts: Sequence[Order]) -> None:
    """What is left there now, beside what was left before. Never a verdict: other things move it too."""
    try:
        balance = micros_down(client.balance().amount)
    except (ProviderRefused, UnreadableAnswer, MoneyError):
        return  # One that does not answer at all would not answer the rest either.
    now = timezone.now()
    for order in doubts:
        sending = id_probe.first_sending(order)
        if sending and sending.account == account:
            # The first one counts: the longer ago, the more has moved.
            fresh = PlacementAttempt.objects.filter(pk=sending.pk, balance_after_at=None)
            fresh.update(balance_after=balance, balance_after_at=now)


def _note(order: Order, text: str, **found: object) -> None:
    """Keeps what a look came to. One that found nothing out leaves what an earlier one found."""
    sending = id_probe.first_sending(order)
    if sending:
        PlacementAttempt.objects.filter(pk=sending.pk).update(
            **found, looks=F("looks") + 1, looked_at=timezone.now(), look_note=text[:500]
        )


def _told(low: int, high: int, orphans: Mapping[int, StatusRow], found: int | None, *, is_open: bool) -> str:
    asked = f"Asked for the ids from {low} to {high}"
    if found:
        return f"{asked}: {found} is this order."
    if not orphans:
        late = "" if is_open else " If the provider took it late, its id is higher."
        return f"{asked}: none of them is an order of ours that is not accounted for.{late}"
    return f"{asked}: {len(orphans):,} of ours are not accounted for, and none is surely this order."


def _too_wide(window: Window) -> str:
    return f"Others ordered too much meanwhile: its id may be any between {window.low} and {window.high}."


def _shown(doubt: Suspect | None, orphans: Mapping[int, StatusRow]) -> list[dict[str, object]]:
    return [
        {
            "id": str(number),
            "status": row.status_text,
            "remains": row.remains,
            "charge": None if row.charge is None else f"{row.charge:f}",
            "agrees": bool(doubt and agrees(doubt, row)),
        }
        for number, row in sorted(orphans.items())[:MOST_SHOWN]
    ]
