"""What needs the person who looks: first what broke or was never set up, then what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet, Sum
from django.urls import reverse

from billing.deposits import deposits_to_decide
from billing.models import BankLine, Payment
from catalog.models import CatalogChange, Provider
from orders.models import LateOrders, OrderInReview
from orders.states import Submission
from panel.accounts.models import User
from panel.accounts.signed_in import AnyUser
from panel.alerts.models import Alert
from panel.alerts.seen import alerts_for
from panel.channels.models import Channel
from panel.lib.formats import short_duration
from panel.ops.overview.picture import Picture
from panel.ops.overview.states import Colour
from panel.site import mail_setup
from panel.site import registry as site
from panel.staff.models import SecondLook

# What happens on the machine itself is the owner's, who alone may do this.
_OWNS = "site.change_money_settings"
_CHANNEL = "channels.add_channel"


@dataclass(frozen=True, slots=True)
class Need:
    """What broke, or was never set up: in a few words, with the way to mend it. `url` may be ""."""

    text: str
    why: str
    url: str = ""
    colour: Colour = Colour.LOOK


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of something wait, and where."""

    count: int
    text: str
    url: str


# -- what broke or was never set up --------------------------------------------------------------------


def needs_of(picture: Picture) -> list[Need]:
    """Return what is missing and this person can mend, the most important first."""
    parts = (_no_worker, _channels_fail, _no_provider, _no_method, _no_channel, _no_mail, _backup)
    return [need for part in parts for need in part(picture)]


def _no_worker(picture: Picture) -> Iterator[Need]:
    if not picture.has_worker and picture.may(_OWNS):
        yield Need("Start a worker", "Without one nothing is sent, followed or proven.", colour=Colour.BROKEN)


def _channels_fail(picture: Picture) -> Iterator[Need]:
    failing = [one for one in picture.channels if one.is_active and one.failing_since]
    if failing and picture.may("channels.change_channel"):
        text = "Mend the channel that fails" if len(failing) == 1 else f"Mend the {len(failing):,} channels that fail"
        since = short_duration(picture.age(min(one.failing_since for one in failing if one.failing_since)))
        url = reverse("admin:channels_channel_changelist")
        yield Need(text, f"For {since} a channel has not reached you.", url, Colour.BROKEN)


def _no_provider(picture: Picture) -> Iterator[Need]:
    if not picture.providers and picture.may("catalog.add_provider"):
        url = reverse("admin:catalog_provider_add")
        yield Need("Connect the first provider", "Without one there is nothing to sell.", url)


def _no_method(picture: Picture) -> Iterator[Need]:
    if not picture.has_methods and picture.may("billing.add_paymentmethod"):
        url = reverse("admin:billing_paymentmethod_changelist")
        yield Need("Offer a way to pay", "Customers cannot add funds.", url)


def _no_channel(picture: Picture) -> Iterator[Need]:
    if not picture.may(_CHANNEL) or any(one.is_active and one.reached_at for one in picture.channels):
        return
    if not picture.channels:
        url = reverse("admin:channels_channel_add")
        yield Need("Add a channel that tells you", "Alerts wait here until somebody looks.", url)
    else:
        url = reverse("admin:channels_channel_changelist")
        yield Need("Prove a channel that tells you", "None has reached you yet: send a test.", url)


def _no_mail(picture: Picture) -> Iterator[Need]:
    if not picture.may(_CHANNEL):
        return
    mails = [one for one in picture.channels if one.kind == Channel.Kind.MAIL]
    if not mail_setup.is_mail_set_up():
        yield Need("Set up mail", "Mails leave this machine once EMAIL_URL names a server.")
    elif "mail" not in picture.beats and not any(one.reached_at for one in mails):
        url = reverse("admin:channels_channel_changelist" if mails else "admin:channels_channel_add")
        yield Need("Prove the mail server", "No mail has left yet: send a test through a channel by e-mail.", url)


def _backup(picture: Picture) -> Iterator[Need]:
    if not picture.may(_OWNS):
        return
    age, bound = picture.beat_age("backup"), timedelta(hours=site.OLD_BACKUP_HOURS.value)
    if age is None:
        yield Need("Make a backup", "There was never one. Run manage.py backup each night.")
    elif age > bound:
        text = f"The last one was made {short_duration(age)} ago; the bound is {short_duration(bound)}."
        yield Need("Make a backup", text)


# -- what waits ----------------------------------------------------------------------------------------


def count_reviews() -> int:
    """Return how many orders wait for a decision."""
    # Two counts, each by its index: for one of either condition the orders themselves are read.
    reviews = OrderInReview.objects.exclude(review_reason="").count()
    return reviews + OrderInReview.objects.filter(review_reason="", submission=Submission.IN_DOUBT).count()


def count_late() -> int:
    """Return how many orders are later than they should be, by the last count."""
    return LateOrders.objects.filter(late__gt=0).aggregate(count=Sum("late"))["count"] or 0


def count_deposits() -> int:
    """Return how many deposits wait for staff."""
    return deposits_to_decide().count()


def count_second_looks() -> int:
    """Return how many decisions wait for a second person."""
    return SecondLook.objects.filter(state=SecondLook.State.WAITING).count()


def open_alerts(user: AnyUser) -> QuerySet[Alert]:
    """Return the open alerts that this person may see."""
    return alerts_for(user).filter(resolved_at=None)


def _risen() -> int:
    urgent = CatalogChange.objects.filter(accepted_at=None, is_urgent=True)
    return urgent.exclude(topic=CatalogChange.Topic.ORDERS).count()


def _canceled() -> int:
    return CatalogChange.objects.filter(accepted_at=None, topic=CatalogChange.Topic.ORDERS).count()


def _paused() -> int:
    return Provider.objects.filter(is_active=True, pause_count__gt=0).count()


def _held_payments() -> int:
    return Payment.objects.filter(state=Payment.State.HELD).count()


def _bank_lines() -> int:
    return BankLine.objects.filter(state=BankLine.State.WAITING).count()


# The words for 1 and for other numbers, the count, its list, and the permission to open it.
_QUEUES: tuple[tuple[str, str, Callable[[], int], str, str], ...] = (
    (
        "order waits for your decision",
        "orders wait for your decision",
        count_reviews,
        "orders_orderinreview",
        "orders.view_order",
    ),
    (
        "order is later than it should be",
        "orders are later than they should be",
        count_late,
        "orders_lateorders",
        "orders.view_order",
    ),
    ("deposit waits for you", "deposits wait for you", count_deposits, "billing_deposit", "billing.decide_deposit"),
    ("payment waits for you", "payments wait for you", _held_payments, "billing_payment", "billing.decide_deposit"),
    (
        "line of a bank statement waits for you",
        "lines of bank statements wait for you",
        _bank_lines,
        "billing_bankline",
        "billing.decide_deposit",
    ),
    (
        "decision waits for a second look",
        "decisions wait for a second look",
        count_second_looks,
        "staff_secondlook",
        "staff.change_secondlook",
    ),
    (
        "rate rose too far",
        "rates rose too far",
        _risen,
        "catalog_catalogchange",
        "catalog.view_catalogchange",
    ),
    (
        "service went off sale, as its orders were canceled",
        "services went off sale, as their orders were canceled",
        _canceled,
        "catalog_catalogchange",
        "catalog.view_catalogchange",
    ),
    ("provider is paused", "providers are paused", _paused, "catalog_provider", "catalog.view_provider"),
)


def waiting_for(user: User) -> list[Waiting]:
    """Return what waits for this person, without what they may not open."""
    rows = [(one, more, count(), name) for one, more, count, name, permission in _QUEUES if user.has_perm(permission)]
    if user.has_perm("ops.view_alert"):
        rows.append(("alert is open", "alerts are open", open_alerts(user).count(), "ops_alert"))
    return [
        Waiting(count, one if count == 1 else more, reverse(f"admin:{name}_changelist"))
        for one, more, count, name in rows
        if count
    ]
