"""What a refusal means beyond its order: its words are noted, and a provider that refuses many is paused (ADR 29)."""

from __future__ import annotations

from datetime import timedelta

from catalog.models import Provider, ProviderWord
from catalog.pauses import PauseKind, count_refusal, pause_provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.masking import masked
from catalog.upstream.results import Refused
from catalog.words.meanings import CLEAR_REFUSALS, as_taught
from catalog.words.seen import note_refusal, taught_words
from orders.models import Order, PlacementAttempt
from orders.states import AttemptOutcome, ReviewReason, Submission
from panel.lib import clock
from panel.lib.money import convert_back_up
from panel.site import registry as site

# The provider accepts none of our orders for now: all wait in the queue.
PROVIDER_WIDE: dict[ErrorCode, tuple[PauseKind, str]] = {
    ErrorCode.CREDENTIALS: (PauseKind.CREDENTIALS, "it refuses our API key"),
    ErrorCode.FUNDS: (PauseKind.FUNDS, "our balance there is used up"),
    ErrorCode.THROTTLED: (PauseKind.THROTTLED, "it limits how often we may ask"),
    ErrorCode.PROTOCOL: (PauseKind.REQUEST, "it misses something that each of our orders has"),
}
# The order waits, and goes after the customer's others.
WAITS = (ErrorCode.LINK_BUSY, ErrorCode.TRY_LATER)
# One customer's bad links are no fault of the provider: it is paused for them only after so many times the limit.
ONE_CUSTOMER = 3
_LATELY = timedelta(days=1)
_MAYBE = (AttemptOutcome.SENDING, AttemptOutcome.UNKNOWN, AttemptOutcome.AFTER_BACKUP)
_SAID_NO = (AttemptOutcome.UNCLEAR, AttemptOutcome.TAUGHT)


def with_its_meaning(*, provider: Provider, order: Order, refusal: Refused) -> Refused:
    """Note the words of a refusal, and return it as the owner taught; itself if nothing was taught."""
    taught = taught_words(provider=provider, about=ProviderWord.About.ADD)
    note_refusal(provider=provider, refusal=refusal, taught=taught, order_id=order.pk)
    return as_taught(refusal, taught)


def is_clear(refusal: Refused) -> bool:
    """Return True if the refusal certainly means that the provider did not accept the order."""
    return refusal.code in CLEAR_REFUSALS


def may_be_accepted_before(*, order: Order, attempt: PlacementAttempt, refusal: Refused) -> bool:
    """Return True if an earlier attempt of the order may have been accepted.

    A link that is busy may be so by this order: by an attempt, too, that was refused in words which we did not know.
    """
    outcomes = (*_MAYBE, *_SAID_NO) if refusal.code is ErrorCode.LINK_BUSY else _MAYBE
    return PlacementAttempt.objects.filter(order=order, pk__lt=attempt.pk, outcome__in=outcomes).exists()


def is_repeated(*, order: Order, attempt: PlacementAttempt, refusal: Refused) -> bool:
    """Return True if an earlier attempt of the order was refused in the same words."""
    details = PlacementAttempt.objects.filter(order=order, pk__lt=attempt.pk).values_list("detail", flat=True)
    return masked(refusal.text) in map(masked, details)


def pause_for(*, provider: Provider, order: Order, refusal: Refused) -> bool:
    """Pause the provider if it refuses all orders, or many of them. Return True if the next one must wait."""
    if refusal.code in PROVIDER_WIDE:
        kind, text = PROVIDER_WIDE[refusal.code]
        amount = _cost_there(provider, order) if kind is PauseKind.FUNDS else None
        pause_provider(provider=provider, kind=kind, text=text, amount=amount)
        return True
    if refusal.code in WAITS:
        return False
    is_unknown = not is_clear(refusal)
    count = count_refusal(provider=provider, is_unknown=is_unknown)
    limit = (site.MAX_UNKNOWN_REFUSALS if is_unknown else site.MAX_REFUSALS_IN_ROW).value
    if count < limit or (count < ONE_CUSTOMER * limit and not _are_of_several(provider, is_unknown, limit)):
        return False
    if is_unknown:
        text = "refuses orders with words that the panel does not know. Say what they mean under “Providers' words”"
        pause_provider(provider=provider, kind=PauseKind.WORDS, text=text)
    else:
        text = f"refused {count} orders in a row for good. Look at its words before more is refunded"
        pause_provider(provider=provider, kind=PauseKind.REFUSALS, text=text)
    return True


def _are_of_several(provider: Provider, is_unknown: bool, limit: int) -> bool:
    """Return True if the last `limit` orders that were refused are of several customers."""
    refused = Order.objects.filter(provider=provider)
    if is_unknown:
        refused = refused.filter(submission=Submission.QUEUED, review_reason=ReviewReason.UNKNOWN_ERROR)
        refused = refused.order_by("-review_since")
    else:
        since = clock.now() - _LATELY
        refused = refused.filter(submission=Submission.REFUSED, finished_at__gte=since).order_by("-finished_at")
    return len(set(refused.values_list("customer_id", flat=True)[:limit])) > 1


def _cost_there(provider: Provider, order: Order) -> int:
    """Return what the order is expected to cost, in micro-units of the provider's currency."""
    cost = Order.objects.values_list("expected_cost", flat=True).get(pk=order.pk)
    return convert_back_up(cost, provider.exchange_rate)
