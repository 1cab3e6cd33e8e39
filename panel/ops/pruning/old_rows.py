"""Pruning rows that are of no use once they are old: import runs, resolved alerts, drafts, sessions, sign-ins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from billing.models import BankLine, ComparedDay, GatewayCall
from catalog.models import SyncRun
from orders.models import DailySpending, OrderDraft
from panel.accounts.models import AccountMail, SignIn, Visit
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, ErrorReport
from panel.channels.models import Delivery
from panel.lib.panel_days import panel_day
from panel.news.models import NewsItem, NewsMail
from panel.site import retention, sign_in_settings

BATCH = 500
# Of past days nobody reads the counter. An answer that comes late still lowers it.
SPENDING_DAYS = 30
# A payment by hand takes days; what somebody typed a month ago, nobody looks for.
DRAFT_DAYS = 30
# Orders, entries and changes in the shop tell the same for longer.
NEWS_DAYS = 90
# Calls that nobody signed, which anybody can send.
STRANGERS_CALLS_DAYS = 7

# Alerts of what a person did with the floor of prices, or with where money goes.
_IS_OF_PEOPLE = Q(cause=Cause.FLOOR)
for _cause in (Cause.PROVIDER_FLOOR, Cause.DESTINATION):
    _start, _, _end = _cause.partition("{}")
    _IS_OF_PEOPLE |= Q(cause__startswith=_start, cause__endswith=_end)


def prune_imports() -> int | None:
    """Delete a batch of old import runs. Return how many, or None if none is left.

    The last run of each outcome of a provider stays, and so do those that people requested or looked at.
    """
    newest = SyncRun.objects.order_by().values("provider", "outcome").annotate(newest=Max("pk")).values("newest")
    old = SyncRun.objects.filter(started_at__lt=_before(retention.KEEP_IMPORTS_DAYS.value), actor=None)
    ended = old.filter(outcome__in=(SyncRun.Outcome.APPLIED, SyncRun.Outcome.REFUSED, SyncRun.Outcome.FAILED))
    looked_at = Exists(SyncRun.objects.filter(accepts=OuterRef("pk")))
    return _delete_batch(ended.filter(~looked_at).exclude(pk__in=newest))


def prune_alerts() -> int | None:
    """Delete a batch of alerts that were resolved long ago. Return how many, or None if none is left.

    Those of what a person did stay.
    """
    old = Alert.objects.filter(resolved_at__lt=_before(retention.KEEP_ALERTS_DAYS.value))
    return _delete_batch(old.exclude(_IS_OF_PEOPLE))


def prune_deliveries() -> int | None:
    """Delete a batch of old messages to the owner. Return how many, or None if none is left."""
    ended = Delivery.objects.exclude(state=Delivery.State.WAITING)
    return _delete_batch(ended.filter(created_at__lt=_before(retention.KEEP_ALERTS_DAYS.value)))


def prune_calls() -> int | None:
    """Delete a batch of old calls of gateways. Return how many, or None if none is left. Payments stay."""
    old = Q(received_at__lt=_before(retention.KEEP_CALLS_DAYS.value))
    of_strangers = Q(is_genuine=False, received_at__lt=_before(STRANGERS_CALLS_DAYS))
    return _delete_batch(GatewayCall.objects.filter(old | of_strangers))


def prune_compared_days() -> int | None:
    """Delete a batch of old days of gateways. Return how many, or None if none is left. Payments stay."""
    before = panel_day() - timedelta(days=retention.KEEP_CALLS_DAYS.value)
    return _delete_batch(ComparedDay.objects.filter(day__lt=before))


def prune_bank_lines() -> int | None:
    """Delete a batch of old lines of bank statements that are for no request. Return how many, or None if none is left.

    Those that brought a deposit stay, and those that nobody decided about.
    """
    dismissed = BankLine.objects.filter(state=BankLine.State.DISMISSED)
    return _delete_batch(dismissed.filter(decided_at__lt=_before(retention.KEEP_CALLS_DAYS.value)))


def prune_errors() -> int | None:
    """Delete a batch of old reports of errors. Return how many, or None if none is left."""
    return _delete_batch(ErrorReport.objects.filter(created_at__lt=_before(retention.KEEP_ALERTS_DAYS.value)))


def prune_spending() -> int | None:
    """Delete a batch of past days' counters under daily limits. Return how many, or None if none is left."""
    return _delete_batch(DailySpending.objects.filter(day__lt=panel_day() - timedelta(days=SPENDING_DAYS)))


def prune_drafts() -> int | None:
    """Delete a batch of orders that were typed long ago and not created. Return how many, or None if none is left."""
    return _delete_batch(OrderDraft.objects.filter(updated_at__lt=_before(DRAFT_DAYS)))


def prune_sessions() -> int | None:
    """Delete a batch of sessions that ended. Return how many, or None if none is left."""
    return _delete_batch(Session.objects.filter(expire_date__lt=timezone.now()))


def prune_sign_ins() -> int | None:
    """Delete a batch of old sign-ins. Return how many, or None if none is left."""
    return _delete_batch(SignIn.objects.filter(created_at__lt=_before(sign_in_settings.KEEP_SIGN_INS_DAYS.value)))


def prune_visits() -> int | None:
    """Delete a batch of old visits of customers' pages, ended or not. Return how many, or None if none is left.

    The activity tells of them for good.
    """
    return _delete_batch(Visit.objects.filter(until__lt=_before(sign_in_settings.KEEP_SIGN_INS_DAYS.value)))


def prune_notices() -> int | None:
    """Delete a batch of old notices that were mailed. Return how many, or None if none is left.

    Mails about an owner's change of an address stay: they tell which addresses open nothing any more.
    """
    sent = AccountMail.objects.filter(kind=AccountMail.Kind.NOTICE, mail_due_at=None)
    return _delete_batch(sent.filter(created_at__lt=_before(sign_in_settings.KEEP_SIGN_INS_DAYS.value)))


def prune_news() -> int | None:
    """Delete a batch of customers' old news, read or not. Return how many, or None if none is left."""
    return _delete_batch(NewsItem.objects.filter(happened_at__lt=_before(NEWS_DAYS)))


def prune_news_mails() -> int | None:
    """Delete a batch of old mails about news that were sent. Return how many, or None if none is left."""
    return _delete_batch(NewsMail.objects.filter(mail_due_at=None, created_at__lt=_before(NEWS_DAYS)))


def _before(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def _delete_batch(rows: QuerySet[Any]) -> int | None:
    with transaction.atomic():
        # Another process may prune as well: each row is deleted by one of them.
        locked = rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk")
        pks = list(locked.values_list("pk", flat=True)[:BATCH])
        return rows.model._default_manager.filter(pk__in=pks).delete()[0] if pks else None
