"""What customers want by mail, and the link by which they unsubscribe without signing in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta

from django.core.signing import BadSignature, Signer

from catalog.models import CustomerGroup
from panel.accounts.models import User
from panel.lib.panel_days import panel_moment, panel_time
from panel.news.models import NewsChoice, NewsKind

Pace = NewsChoice.Pace

# The kinds that may be mailed. About each decided deposit a mail is sent anyway: see billing/mails.py.
MAILED = (
    NewsKind.ORDER_ENDED,
    NewsKind.REFUNDED,
    NewsKind.REFILL_ENDED,
    NewsKind.ORDER_OFFERED,
    NewsKind.FAVOURITE_PRICE,
    NewsKind.LEVEL_UP,
)
# When the mails of each day go out, in the panel's time zone.
DIGEST_AT = time(8)

# An unsubscribing link works for as long as the mail is kept: the token has no end, and opens nothing else.
_signer = Signer(salt="panel.news.unsubscribe")


class UnknownToken(Exception):
    """The link was changed, or is of another panel."""


def choice_of(customer: User) -> NewsChoice:
    """Return what the customer wants by mail: nothing, without a row."""
    return NewsChoice.objects.filter(customer=customer).first() or NewsChoice(customer=customer)


def choices_of(customers: Iterable[int]) -> dict[int, NewsChoice]:
    """Return the choices of those of the customers who chose, without accounts that are switched off."""
    return NewsChoice.objects.filter(customer__is_active=True).in_bulk(set(customers))


def offered_kinds() -> list[NewsKind]:
    """Return the kinds that customers may have mailed now: nothing is said of levels while there are none."""
    has_levels = CustomerGroup.objects.filter(level_from__isnull=False).exists()
    return [kind for kind in MAILED if has_levels or kind != NewsKind.LEVEL_UP]


def pace_of(choice: NewsChoice | None, kind: str) -> str:
    """Return when items of the kind are mailed."""
    return getattr(choice, kind) if choice and kind in MAILED else Pace.NEVER


def choose_mails(*, customer: User, paces: Mapping[str, str]) -> None:
    """Store when the items of each kind are mailed to the customer. What is not named stays."""
    NewsChoice.objects.update_or_create(customer=customer, defaults=dict(paces))


def token_of(customer_id: int) -> str:
    """Return what unsubscribes the customer."""
    return _signer.sign(str(customer_id))


def customer_of(token: str) -> int:
    """Return whom the token unsubscribes. Raise UnknownToken."""
    try:
        return int(_signer.unsign(token))
    except BadSignature:
        raise UnknownToken from None


def unsubscribe(*, token: str) -> None:
    """End all mails about news to the customer of the token; again changes nothing. Raise UnknownToken."""
    NewsChoice.objects.filter(customer=customer_of(token)).update(**dict.fromkeys(MAILED, Pace.NEVER))


def next_digest(now: datetime) -> datetime:
    """Return when the next mails of a day go out."""
    local = panel_time(now)
    day = local.date() if local.time() < DIGEST_AT else local.date() + timedelta(days=1)
    return panel_moment(day, DIGEST_AT)
