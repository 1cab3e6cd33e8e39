"""All rows that the overview shows, read by a number of statements that does not grow with the providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Min, Q, Sum

from billing.methods import offered_methods
from billing.models import Wallet
from catalog.models import Provider
from orders.common.stops import open_stops
from orders.models import DripFeed, Order, ProviderMoney, SendingStop
from orders.states import DripState, Submission
from orders.tracking.monitor import PollBacklog, poll_backlog
from panel.accounts.rights import SEE_COSTS
from panel.alerts.causes import Cause, cause_of
from panel.alerts.models import Alert, Heartbeat, Process
from panel.channels.models import Channel, Delivery
from panel.lib import clock
from panel.ops.watch.judgement import tasks_behind
from panel.ops.watch.presence import living

May = Callable[[str], bool]

_BEATS = ("check_ledger", "backup", "mail")


@dataclass(frozen=True, slots=True)
class Unsent:
    """The orders of one provider that are in its queue, and since when the oldest is."""

    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Picture:
    """The state of one moment. `may` says what the person who looks at it may see and do.

    `unreachable` are the primary keys of providers that do not answer, `late` the tasks that are late. `message_since`
    is since when the oldest message to the owner waits. `owed` is None for those who may not see it.
    """

    may: May
    now: datetime
    providers: list[Provider]
    unsent: dict[int, Unsent]
    backlog: dict[int, PollBacklog]
    stops: list[SendingStop]
    unreachable: frozenset[int]
    money: dict[int, ProviderMoney]
    beats: dict[str, datetime]
    has_worker: bool
    late: list[str]
    is_ledger_broken: bool
    channels: list[Channel]
    message_since: datetime | None
    has_methods: bool
    owed: int | None

    @property
    def panel_stops(self) -> list[SendingStop]:
        return [one for one in self.stops if one.provider_id is None]

    def age(self, since: datetime | None) -> timedelta:
        """Return how long ago that was; nothing for None, and for a time that a clock put into the future."""
        return max(self.now - since, timedelta(0)) if since else timedelta(0)

    def beat_age(self, task: str) -> timedelta | None:
        """Return how long ago the task last ended; None if it never did."""
        return self.age(self.beats[task]) if task in self.beats else None


def read_picture(may: May) -> Picture:
    """Return the picture for a person who may do what `may` says."""
    alerts = Alert.objects.filter(Q(cause=Cause.LEDGER) | Q(cause__endswith=":unreachable"), resolved_at=None)
    causes = [cause_of(stored) for stored in alerts.values_list("cause", flat=True)]
    money = ProviderMoney.objects.filter(provider__is_active=True).select_related("provider")
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING, channel__is_active=True)
    return Picture(
        may=may,
        now=clock.now(),
        providers=list(Provider.objects.filter(is_active=True).select_related("figures")),
        unsent=_unsent(),
        backlog={one.provider_id: one for one in poll_backlog()},
        stops=list(open_stops()),
        unreachable=frozenset(pk for cause, pk in causes if cause == Cause.UNREACHABLE and pk),
        money={one.pk: one for one in money} if may(SEE_COSTS) else {},
        beats=dict(Heartbeat.objects.filter(task__in=_BEATS).values_list("task", "beat_at")),
        has_worker=living(Process.Kind.WORKER).exists(),
        late=tasks_behind(),
        is_ledger_broken=(Cause.LEDGER, None) in causes,
        channels=list(Channel.objects.all()),
        message_since=waiting.aggregate(oldest=Min("created_at"))["oldest"],
        has_methods=bool(offered_methods()),
        owed=_owed() if may("billing.view_wallet") else None,
    )


def _unsent() -> dict[int, Unsent]:
    # Those that wait for another order to the same link have a negative turn.
    queue = Order.objects.filter(submission=Submission.QUEUED, review_reason="", turn__gte=0)
    rows = queue.order_by().values_list("provider").annotate(count=Count("pk"), oldest=Min("queued_at"))
    return {provider: Unsent(count, oldest) for provider, count, oldest in rows}


def _owed() -> int:
    """Return what customers hold: their balances, and what they paid for runs that did not begin."""
    balances = Wallet.objects.filter(balance__gt=0).aggregate(total=Sum("balance"))["total"] or 0
    # Stopping the drip-feed refunds them. Two statements: SQLite uses no index of a part for either-or.
    unbegun = Sum(F("charge") - F("run_charge") * F("begun"))
    open_ones = (Q(next_run_at__isnull=False), Q(paused_at__isnull=False, state=DripState.RUNNING))
    runs = sum(DripFeed.objects.filter(one).aggregate(total=unbegun)["total"] or 0 for one in open_ones)
    return int(balances + runs)
