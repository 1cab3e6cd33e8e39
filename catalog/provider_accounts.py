"""Our account at a provider: client, key, balance, and pauses after failures."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from catalog.models import Provider
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import UpstreamError
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import money
from panel.lib.backoff import backoff
from panel.lib.crypto import Undecryptable, decrypt, encrypt
from panel.site.names import user_agent
from panel.site.registry import submission_times

log = structlog.get_logger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
MAX_PAUSE = timedelta(hours=1)
FIRST_POLLING_PAUSE = timedelta(seconds=30)
MAX_POLLING_PAUSE = timedelta(minutes=10)


class ProviderUnusable(Exception):
    """The provider's key or address is unusable. The message is for staff."""


def client_for(provider: Provider, *, read_timeout: float = 45, add_timeout: float | None = None) -> UpstreamClient:
    """Return a client with the provider's address and key. Raise ProviderUnusable.

    Both times are in seconds. `add_timeout` is that of the order's claim; None for a client that sends no order.
    """
    try:
        return UpstreamClient(
            url=provider.api_url,
            api_key=_api_key(provider),
            user_agent=user_agent(),
            allow_private=settings.UPSTREAM_ALLOW_PRIVATE,
            add_timeout=submission_times()[0] if add_timeout is None else add_timeout,
            read_timeout=read_timeout,
        )
    except ValueError as error:
        raise ProviderUnusable(f"{provider.name}: {error}") from error


def _api_key(provider: Provider) -> str:
    try:
        return decrypt(provider.api_key_encrypted)
    except Undecryptable as error:
        raise ProviderUnusable(f"{provider.name}: {error} Enter the API key again.") from error


def account_of(provider: Provider) -> str:
    """Return a fingerprint of our account there, made from the API key. Raise ProviderUnusable."""
    return _fingerprint(_api_key(provider))


def same_account(provider: Provider) -> list[int]:
    """Return the primary keys of providers that may share this account or its order ids: same key or same host.

    If one account is set up twice, each provider would see the other's orders as unknown.
    """
    host, account = _host(provider), _account_or_none(provider)
    return [
        other.pk
        for other in Provider.objects.only("pk", "name", "api_url", "api_key_encrypted")
        if _host(other) == host or (account and _account_or_none(other) == account)
    ]


def connected_with(*, api_key: str, besides: int | None = None) -> Provider | None:
    """Return the provider that has this key, ignoring the one with the primary key `besides`."""
    account = _fingerprint(api_key)
    same = (other for other in Provider.objects.all() if other.pk != besides and _account_or_none(other) == account)
    return next(same, None)


def _fingerprint(api_key: str) -> str:
    return salted_hmac("catalog.account", api_key).hexdigest()[:32]


def _host(provider: Provider) -> str:
    parts = urlsplit(provider.api_url.lower())
    return parts.netloc.removesuffix(":443").removeprefix("www.")


def _account_or_none(provider: Provider) -> str | None:
    try:
        return account_of(provider)
    except ProviderUnusable:
        return None


def request_scope(provider: Provider) -> str:
    """Return a fingerprint of address, account and parameter; "" without a request id parameter.

    A request id is valid only within this scope: elsewhere the same id would create a new order. Raise
    ProviderUnusable.
    """
    if not provider.request_id_parameter:
        return ""
    key = _api_key(provider)
    where = "\n".join((provider.api_url, provider.request_id_parameter, key))
    return salted_hmac("catalog.request_scope", where).hexdigest()[:32]


def drop_request_ids(*, provider: Provider, text: str) -> None:
    """Stop using request ids, and alert: the provider accepted one request id twice."""
    Provider.objects.filter(pk=provider.pk).update(request_id_parameter="", promise_unchecked=None)
    raise_alert(cause=Cause.REQUEST_IDS, about=provider.pk, text=text, level="danger")


@sensitive_variables("api_key")  # keeps the key out of error reports
def set_api_key(*, provider: Provider, api_key: str) -> None:
    """Set the encrypted key on the instance, without saving."""
    provider.api_key_encrypted = encrypt(api_key.strip())


def usable_providers() -> QuerySet[Provider]:
    """Return the active providers that are not paused now."""
    now = timezone.now()
    return Provider.objects.filter(is_active=True).filter(Q(paused_until=None) | Q(paused_until__lte=now))


def pause_provider(*, provider: Provider, reason: str, text: str) -> None:
    """Pause sending to the provider, twice as long each time, and raise one alert. `reason` is a short word for the
    log.
    """
    wait = backoff(provider.pause_count, first=FIRST_PAUSE, longest=MAX_PAUSE)
    Provider.objects.filter(pk=provider.pk).update(
        paused_until=timezone.now() + wait, pause_reason=text[:200], pause_count=F("pause_count") + 1
    )
    raise_alert(cause=Cause.TROUBLE, about=provider.pk, text=f"{provider.name}: {text}", level="danger")
    log.warning("provider paused", provider=provider.pk, reason=reason, seconds=int(wait.total_seconds()))


def take_polling_lane(*, provider: Provider, seconds: float) -> bool:
    """Return True if this process may poll the provider now. Only one may, so that a slow provider takes one thread.

    The lane is free again after `seconds` at the latest. `provider.polling_until` is set for `leave_polling_lane`.
    """
    now = timezone.now()
    free = Provider.objects.filter(pk=provider.pk).filter(Q(polling_until=None) | Q(polling_until__lte=now))
    until = now + timedelta(seconds=seconds)
    if not free.update(polling_until=until):
        return False
    provider.polling_until = until
    return True


def leave_polling_lane(*, provider: Provider, failures: int | None) -> None:
    """Free the lane, or keep it closed for a pause that doubles with each of the `failures` in a row.

    `failures` is None if no call was made: that is neither a failure nor a recovery. Do nothing if another process has
    taken the lane, or staff freed it.
    """
    lane = Provider.objects.filter(pk=provider.pk, polling_until=provider.polling_until)
    if failures is None:
        lane.update(polling_until=None)
    elif not failures:
        lane.update(polling_until=None, polling_failures=0)
    else:
        failures = min(failures, 10)
        wait = backoff(failures - 1, first=FIRST_POLLING_PAUSE, longest=MAX_POLLING_PAUSE)
        lane.update(polling_until=timezone.now() + wait, polling_failures=failures)


def resume_provider(*, provider: Provider) -> None:
    """End all pauses, after staff fixed the problem."""
    Provider.objects.filter(pk=provider.pk).update(
        paused_until=None, pause_reason="", pause_count=0, polling_until=None, polling_failures=0
    )
    resolve_alert(cause=Cause.TROUBLE, about=provider.pk)


def note_success(*, provider: Provider) -> None:
    """End the sending pause, after the provider accepted an order."""
    if Provider.objects.filter(pk=provider.pk, pause_count__gt=0).update(
        paused_until=None, pause_reason="", pause_count=0
    ):
        resolve_alert(cause=Cause.TROUBLE, about=provider.pk)


def check_balance(*, provider: Provider) -> str:
    """Fetch the balance and store it with its currency, in micro-units of the provider's currency.

    Return the currency that the provider says it bills in, "" if it does not say. Raise an alert if it differs from the
    configured one. Raise UpstreamError or ProviderUnusable.
    """
    asked_at = timezone.now()
    answer = client_for(provider).balance()
    Provider.objects.filter(pk=provider.pk).update(balance_currency=answer.currency[:20])
    try:
        balance = money.micros_down(answer.amount)
    except money.MoneyError:
        raise_alert(
            cause=Cause.BALANCE,
            about=provider.pk,
            text=f"{provider.name} reports a balance that is out of range.",
        )
        return answer.currency
    note_balance(provider=provider, balance=balance, asked_at=asked_at)
    resolve_alert(cause=Cause.BALANCE, about=provider.pk)
    if answer.currency and answer.currency.upper() != provider.currency.upper():
        raise_alert(
            cause=Cause.CURRENCY,
            about=provider.pk,
            text=f"{provider.name} bills in {answer.currency}, but is set up with {provider.currency}.",
            level="danger",
        )
    elif answer.currency:  # No currency in the answer: keep the existing alert.
        resolve_alert(cause=Cause.CURRENCY, about=provider.pk)
    return answer.currency


def note_balance(*, provider: Provider, balance: int, asked_at: datetime) -> None:
    """Store a balance (micro-units of the provider's currency) that was requested at `asked_at` and answered now.

    An answer to a later request stays.
    """
    earlier = Q(balance_asked_at=None) | Q(balance_asked_at__lt=asked_at)
    Provider.objects.filter(earlier, pk=provider.pk).update(
        balance=balance, balance_checked_at=timezone.now(), balance_asked_at=asked_at
    )


def check_providers() -> int:
    """Check the balance of each active provider, continuing after failures. Return the number of failures."""
    failures = 0
    for provider in Provider.objects.filter(is_active=True):
        try:
            check_balance(provider=provider)
        except (UpstreamError, ProviderUnusable) as error:
            failures += 1
            raise_alert(cause=Cause.UNREACHABLE, about=provider.pk, text=f"{provider.name} does not answer: {error}")
        else:
            resolve_alert(cause=Cause.UNREACHABLE, about=provider.pk)
    return failures
