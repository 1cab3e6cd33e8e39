"""What the owner must hear of that nobody else alerts on: what waits for a person, what runs short, what is late."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Count, F, Min, QuerySet, Sum

from billing.deposits import deposits_to_decide
from billing.models import Deposit
from billing.references import shown_code
from catalog.models import Provider
from catalog.provider_health import runway_days
from orders.models import OrderInReview
from panel.accounts.models import SignIn
from panel.alerts.causes import Cause, cause_of
from panel.alerts.models import Alert, Heartbeat
from panel.alerts.services import close_alerts, raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.formats import duration_text
from panel.lib.money import format_money
from panel.site import registry as site

log = structlog.get_logger(__name__)

# The proof of the books runs every hour.
PROOF_BOUND = timedelta(hours=3)
MAX_FAILED_SIGN_INS, SIGN_IN_WINDOW = 5, timedelta(hours=1)
# Of the disk, in percent and in bytes; less than one of them is nearly full.
MIN_FREE_PERCENT, MIN_FREE_BYTES = 5, 1_000_000_000


def watch_business() -> None:
    """Bring these alerts up to date. An error in one does not keep the others from being looked at."""
    errors = []
    for watch in (
        *(watch_deposits, watch_reviews, watch_balances, watch_imports),
        *(watch_sign_ins, watch_new_staff, watch_proof, watch_backup, watch_disk),
    ):
        try:
            watch()
        except Exception as error:
            log.exception("not watched", watch=watch.__name__)
            errors.append(error)
    if errors:
        raise errors[0]


def watch_deposits() -> None:
    """Alert on each deposit that waits for a decision: somebody has paid, and waits for the money."""
    waiting = deposits_to_decide().select_related("customer", "method")

    def text(deposit: Deposit) -> str:
        amount = format_money(deposit.amount, settings.PANEL_CURRENCY, exact=True)
        code = f", reference {shown_code(deposit.code)}" if deposit.code else ""
        return (
            f"A deposit of {amount} by {deposit.customer.email} waits for your decision: {deposit.method.name}{code}."
        )

    _follow(Cause.DEPOSIT_WAITS, waiting, text)


def watch_reviews() -> None:
    """Alert while orders wait for a decision."""
    waiting = OrderInReview.objects.exclude(review_reason="")
    found = waiting.aggregate(count=Count("pk"), oldest=Min("review_since"), charge=Sum("charge"))
    if not found["count"]:
        resolve_alert(cause=Cause.REVIEWS)
        return
    are = "1 order waits" if found["count"] == 1 else f"{found['count']:,} orders wait"
    charge = format_money(found["charge"], settings.PANEL_CURRENCY, exact=True)
    age = duration_text(clock.now() - found["oldest"]) if found["oldest"] else "a while"
    _state(Cause.REVIEWS, f"{are} for your decision, with {charge} of customers' money, the oldest for {age}.")


def watch_balances() -> None:
    """Alert on balances that run short before the first order is refused: by amount and by days of runway."""
    for provider in Provider.objects.filter(is_active=True).select_related("figures"):
        if text := _shortage(provider):
            _state(Cause.LOW_BALANCE, text, about=provider.pk)
        else:
            resolve_alert(cause=Cause.LOW_BALANCE, about=provider.pk)
    _close_others(Cause.LOW_BALANCE, _active())


def _shortage(provider: Provider) -> str:
    if provider.balance is None:
        return ""
    balance = format_money(provider.balance, provider.currency, exact=True)
    if provider.low_balance is not None and provider.balance < provider.low_balance:
        least = format_money(provider.low_balance, provider.currency, exact=True)
        return f"{provider.name} has {balance} left, less than the {least} that you set."
    days, least_days = runway_days(provider), provider.low_balance_days
    bound = site.LOW_BALANCE_DAYS.value if least_days is None else least_days
    if days is not None and days < bound:
        lasts = "less than a day" if days < 1 else "1 day" if days == 1 else f"{days} days"
        return f"{provider.name} has {balance} left, which lasts for {lasts} at last week's rate."
    return ""


def watch_imports() -> None:
    """Alert on providers whose list was not imported for long: prices follow rates that are old."""
    old = clock.now() - timedelta(hours=site.OLD_LIST_HOURS.value)
    for provider in Provider.objects.filter(is_active=True, last_synced_at__isnull=False):
        if provider.last_synced_at and provider.last_synced_at < old:
            age = duration_text(clock.now() - provider.last_synced_at)
            _state(Cause.OLD_LIST, f"The list of {provider.name} was last imported {age} ago.", about=provider.pk)
        else:
            resolve_alert(cause=Cause.OLD_LIST, about=provider.pk)
    _close_others(Cause.OLD_LIST, _active())


def watch_sign_ins() -> None:
    """Alert on accounts of staff that somebody lately failed to sign in to, several times."""
    since = clock.now() - SIGN_IN_WINDOW
    failures = SignIn.objects.filter(user__is_staff=True, last_at__gt=since).exclude(outcome=SignIn.Outcome.SIGNED_IN)
    found = failures.values("user", email=F("user__email")).annotate(count=Sum("times")).order_by()
    many = {row["user"]: row for row in found if row["count"] >= MAX_FAILED_SIGN_INS}
    for pk, row in many.items():
        text = f"Somebody failed {row['count']:,} times within an hour to sign in as {row['email']}."
        _state(Cause.STAFF_SIGN_INS, text, about=pk)
    _close_others(Cause.STAFF_SIGN_INS, set(many))


def watch_new_staff() -> None:
    """Close the alerts about new staff after a day: whoever had to hear of it has."""
    begin, _, end = Cause.NEW_STAFF.partition("{}")
    opened = Alert.objects.filter(cause__startswith=begin, cause__endswith=end)
    close_alerts(opened.filter(created_at__lt=clock.now() - timedelta(days=1)))


def watch_proof() -> None:
    """Alert if the books were not proven for long."""
    _watch_age("check_ledger", PROOF_BOUND, Cause.PROOF, "The books were last proven {age} ago.")


def watch_backup() -> None:
    """Alert if the last backup is old. Whoever never made one reads it on the overview."""
    bound = timedelta(hours=site.OLD_BACKUP_HOURS.value)
    _watch_age("backup", bound, Cause.BACKUP, "The last backup was made {age} ago.")


def watch_disk() -> None:
    """Alert if the disk of VAR_DIR is nearly full."""
    usage = shutil.disk_usage(settings.VAR_DIR)
    percent = usage.free * 100 // usage.total
    if percent < MIN_FREE_PERCENT or usage.free < MIN_FREE_BYTES:
        _state(Cause.DISK, f"The disk of VAR_DIR has {usage.free / 10**9:.1f} GB left, {percent}%.", level="danger")
    else:
        resolve_alert(cause=Cause.DISK)


def _watch_age(task: str, bound: timedelta, cause: Cause, text: str) -> None:
    ended = Heartbeat.objects.filter(task=task).values_list("beat_at", flat=True).first()
    if ended is None:
        return
    age = clock.now() - ended
    if age > bound:
        _state(cause, text.format(age=duration_text(age)), level="danger")
    else:
        resolve_alert(cause=cause)


def _follow(cause: Cause, rows: QuerySet[Deposit], text: Callable[[Deposit], str]) -> None:
    """Keep an alert open for each of the rows, and for no other."""
    opened = _opened(cause)
    found = {row.pk: row for row in rows if row.pk not in opened}
    for pk, row in found.items():
        raise_alert(cause=cause, about=pk, text=text(row))
    gone = opened - set(rows.order_by().values_list("pk", flat=True))
    for pk in gone:
        resolve_alert(cause=cause, about=pk)


def _active() -> set[int]:
    return set(Provider.objects.filter(is_active=True).values_list("pk", flat=True))


def _close_others(cause: Cause, pks: set[int]) -> None:
    for pk in _opened(cause) - pks:
        resolve_alert(cause=cause, about=pk)


def _opened(cause: Cause) -> set[int]:
    """Return the primary keys that open alerts of this cause are about."""
    begin = cause.partition("{}")[0]
    stored = Alert.objects.filter(cause__startswith=begin, resolved_at=None).values_list("cause", flat=True)
    found = (cause_of(one) for one in stored)
    return {pk for one, pk in found if one == cause and pk is not None}


def _state(cause: Cause, text: str, *, about: int | None = None, level: str = "warning") -> None:
    """Raise the alert, or bring its text up to date without counting: it lasts, and does not happen again."""
    opened = Alert.objects.filter(cause=cause.of(about), resolved_at=None)
    if not opened.update(text=text[:500], last_seen_at=clock.now()):
        raise_alert(cause=cause, about=about, text=text, level=level)
