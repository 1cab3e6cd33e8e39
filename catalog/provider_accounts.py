"""Our account at a provider: client, key and balance, and the lane in which it is polled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from catalog.models import Provider
from catalog.pace import is_permit_free, permits_of
from catalog.pauses import try_again
from catalog.provider_rounds import for_each_provider
from catalog.upstream.client import UpstreamClient
from catalog.upstream.currencies import is_same_currency
from catalog.upstream.dialect import Dialect, dialect_from_json
from catalog.upstream.errors import UpstreamError
from catalog.upstream.evidence import Evidence
from catalog.upstream.sending import Sent
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock, money
from panel.lib.backoff import backoff
from panel.lib.crypto import Undecryptable, decrypt, encrypt
from panel.lib.http.calls import host_of
from panel.site.names import user_agent
from panel.site.submission_times import LEASE_SPARE_SECONDS, submission_times

log = structlog.get_logger(__name__)

# Seconds, unless the provider has its own.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 45.0
FIRST_POLLING_PAUSE = timedelta(seconds=30)
MAX_POLLING_PAUSE = timedelta(minutes=10)


class ProviderUnusable(Exception):
    """The provider's key or address is unusable. The message is for staff."""


def client_for(
    provider: Provider, *, read_timeout: float | None = None, add_timeout: float | None = None
) -> UpstreamClient:
    """Return a client with the provider's address and key, which speaks as it does. Raise ProviderUnusable.

    Both times are in seconds. `read_timeout` is the longest that may be waited for what is read; None: the provider's
    own, or 45. `add_timeout` is that of the order's claim; None for a client that sends no order.
    """
    dialect = dialect_of(provider)
    longest = dialect.read_timeout or READ_TIMEOUT
    return _client(
        provider,
        dialect,
        connect_timeout=dialect.connect_timeout or CONNECT_TIMEOUT,
        add_timeout=add_times(provider)[0] if add_timeout is None else add_timeout,
        read_timeout=longest if read_timeout is None else min(longest, read_timeout),
        # Giving up a cancel early would leave it open whether it was carried out.
        act_timeout=max(longest, READ_TIMEOUT),
    )


def trial_client(
    provider: Provider, *, dialect: Dialect, seconds: float, observe: Callable[[Sent, Evidence], None]
) -> UpstreamClient:
    """Return a client that speaks `dialect`, for reading actions: it asks once, for at most `seconds`, and reports each
    exchange. Raise ProviderUnusable.
    """
    return _client(
        provider,
        dialect,
        connect_timeout=seconds,
        read_timeout=seconds,
        services_timeout=seconds,
        retries=0,
        observe=observe,
    )


def _client(provider: Provider, dialect: Dialect, **values: Any) -> UpstreamClient:
    try:
        return UpstreamClient(
            url=provider.api_url,
            api_key=_api_key(provider),
            dialect=dialect,
            user_agent=user_agent(),
            allow_private=settings.UPSTREAM_ALLOW_PRIVATE,
            take_permit=permits_of(provider_id=provider.pk, limit=dialect.requests_a_minute),
            **values,
            currency=provider.currency,
        )
    except ValueError as error:
        raise ProviderUnusable(f"{provider.name}: {error}") from error


def dialect_of(provider: Provider) -> Dialect:
    """Return how the provider's API differs from the standard. Raise ProviderUnusable."""
    try:
        return dialect_from_json(provider.dialect)
    except ValueError as error:
        raise ProviderUnusable(f"{provider.name}: {error}") from error


def add_times(provider: Provider) -> tuple[float, float]:
    """Return the provider's longest answer to `add`, and the lease around it, in seconds. Raise ProviderUnusable.

    Its own setting can only lengthen the panel's, since an order that is given up early is in doubt, and only within
    the panel's lease.
    """
    timeout, lease = submission_times()
    own = dialect_of(provider).add_timeout or 0
    return max(timeout, min(own, lease - LEASE_SPARE_SECONDS)), lease


def has_limit(provider: Provider) -> bool:
    """Return True if the owner limits the requests to the provider. Raise ProviderUnusable."""
    return dialect_of(provider).requests_a_minute is not None


def has_permit(provider: Provider) -> bool:
    """Return True if the provider's limit of requests leaves a permit for an order now."""
    limit = dialect_of(provider).requests_a_minute
    return limit is None or is_permit_free(provider_id=provider.pk, limit=limit)


def _api_key(provider: Provider) -> str:
    try:
        return decrypt(provider.api_key_encrypted)
    except Undecryptable as error:
        raise ProviderUnusable(f"{provider.name}: {error} Enter the API key again.") from error


def account_of(provider: Provider) -> str:
    """Return a fingerprint of our account there, made from the API key. Raise ProviderUnusable."""
    try:
        return _account(provider.api_key_encrypted)
    except Undecryptable as error:
        raise ProviderUnusable(f"{provider.name}: {error} Enter the API key again.") from error


@lru_cache(maxsize=1_000)
def _account(api_key_encrypted: str) -> str:
    """Return the fingerprint of an encrypted key. Each order needs it, and it is no secret: kept, unlike the key."""
    return _fingerprint(decrypt(api_key_encrypted))


def same_account(provider: Provider) -> list[int]:
    """Return the primary keys of providers that may share this account or its order ids: same key or same host.

    If one account is set up twice, each provider would see the other's orders as unknown.
    """
    hosts, account = _hosts(provider), _account_or_none(provider)
    return [
        other.pk
        for other in Provider.objects.only("pk", "name", "api_url", "api_key_encrypted", "dialect")
        if hosts & _hosts(other) or (account and _account_or_none(other) == account)
    ]


def _hosts(provider: Provider) -> set[str]:
    """Return the hosts that get requests for the provider."""
    try:
        addresses = dialect_of(provider).all_addresses(provider.api_url)
    except ProviderUnusable:
        addresses = [provider.api_url]
    return {host_of(address) for address in addresses}


def connected_with(*, api_key: str, besides: int | None = None) -> Provider | None:
    """Return the provider that has this key, ignoring the one with the primary key `besides`."""
    account = _fingerprint(api_key)
    same = (other for other in Provider.objects.all() if other.pk != besides and _account_or_none(other) == account)
    return next(same, None)


def _fingerprint(api_key: str) -> str:
    return salted_hmac("catalog.account", api_key).hexdigest()[:32]


def _account_or_none(provider: Provider) -> str | None:
    try:
        return account_of(provider)
    except ProviderUnusable:
        return None


def request_scope(provider: Provider) -> str:
    """Return a fingerprint of account, parameter and address of `add`; "" without a request id parameter.

    A request id is valid only within this scope: elsewhere the same id would create a new order. Raise
    ProviderUnusable.
    """
    if not provider.request_id_parameter:
        return ""
    key = _api_key(provider)
    address = dialect_of(provider).address(provider.api_url, "add")
    where = "\n".join((address, provider.request_id_parameter, key))
    return salted_hmac("catalog.request_scope", where).hexdigest()[:32]


def drop_request_ids(*, provider: Provider, text: str) -> None:
    """Stop using request ids, and alert: the provider accepted one request id twice."""
    Provider.objects.filter(pk=provider.pk).update(request_id_parameter="", promise_unchecked=None)
    raise_alert(cause=Cause.REQUEST_IDS, about=provider.pk, text=text, level="danger")


@sensitive_variables("api_key")  # keeps the key out of error reports
def set_api_key(*, provider: Provider, api_key: str) -> None:
    """Set the encrypted key on the instance, without saving."""
    provider.api_key_encrypted = encrypt(api_key.strip())


def take_polling_lane(*, provider: Provider, seconds: float) -> bool:
    """Return True if this process may poll the provider now. Only one may, so that a slow provider takes one thread.

    The lane is free again after `seconds` at the latest. `provider.polling_until` is set for `leave_polling_lane`.
    """
    now = clock.now()
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
        lane.update(polling_until=clock.now() + wait, polling_failures=failures)


def check_balance(*, provider: Provider) -> str:
    """Fetch the balance and store it with its currency, in micro-units of the provider's currency.

    Return the currency that the provider says it bills in, "" if it does not say. Raise an alert if it differs from the
    configured one. Raise UpstreamError or ProviderUnusable.
    """
    asked_at = clock.now()
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
    if provider.pause_count:
        try_again(provider=provider, balance=balance)
    resolve_alert(cause=Cause.BALANCE, about=provider.pk)
    if answer.currency and not is_same_currency(answer.currency, provider.currency):
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
        balance=balance, balance_checked_at=clock.now(), balance_asked_at=asked_at
    )


def check_provider(*, provider: Provider) -> int:
    """Check the provider's balance, with an alert while it does not answer. Return 1 if it answered, else 0."""
    try:
        check_balance(provider=provider)
    except (UpstreamError, ProviderUnusable) as error:
        raise_alert(cause=Cause.UNREACHABLE, about=provider.pk, text=f"{provider.name} does not answer: {error}")
        return 0
    resolve_alert(cause=Cause.UNREACHABLE, about=provider.pk)
    return 1


def check_providers() -> int:
    """Check the balances at all active providers at once. Return the number of failures."""
    active = list(Provider.objects.filter(is_active=True))
    return len(active) - for_each_provider(check_provider, active)
