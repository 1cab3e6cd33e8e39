"""Send the messages that are due, each at most once unless its receiver knows a repeated one.

1. Claim: move `due_at` past a lease. One of several workers wins. 2. Connect, then set `handed_at` if the claim still
holds; only then does the message leave. 3. Store what came of it, if the claim still holds.

A process that dies before 2 costs one lease. One that dies between 2 and 3 leaves it open whether a mail or a Telegram
message arrived: it is not sent again, and what it told of is told as still open some minutes later.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connections, transaction
from django.db.models import F, Q

from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from panel.channels import mail, telegram, webhook
from panel.channels.models import Channel, Delivery, Notice
from panel.channels.notices import remind_soon
from panel.channels.results import Result, Sent
from panel.lib import clock
from panel.lib.backoff import backoff, jitter
from panel.lib.claims import claim_due

log = structlog.get_logger(__name__)

MAX_THREADS = 8
# Messages to one channel in a round.
MAX_ROUND = 20
LEASE = timedelta(minutes=2)
# How long to wait after the first failure, the second, and so on. It is the same for a message and for its channel.
WAITS = tuple(timedelta(seconds=one) for one in (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000))
MAX_CHANNEL_WAIT = timedelta(minutes=10)
# A message that is older tells what is over by now, when a channel is switched on again.
STALE = timedelta(days=3)
# After an attempt whose end is unknown.
REMIND_AFTER, REMIND_AGAIN_AFTER = timedelta(minutes=5), timedelta(minutes=30)
MAX_LOG = 20
# Failures in a row before the other channels hear that this one fails.
MIN_FAILURES = 2

_DELIVER: dict[str, Callable[[Channel, Delivery, Callable[[], None]], Sent]] = {
    Channel.Kind.MAIL: mail.deliver,
    Channel.Kind.TELEGRAM: telegram.deliver,
    Channel.Kind.WEBHOOK: webhook.deliver,
}


class _ClaimLost(Exception):
    """Another process has the message by now."""


def deliver(channel: Channel, delivery: Delivery, hand_over: Callable[[], None]) -> Sent:
    """Try once, by the channel's kind. `hand_over` is called before the first byte. Touches no row."""
    return _DELIVER[channel.kind](channel, delivery, hand_over)


def send_due() -> int:
    """Send what is due through every channel, several at a time. Return how many messages were delivered."""
    now = clock.now()
    due = Delivery.objects.filter(due_at__lte=now, channel__in=Channel.objects.ready())
    due = due.filter(Q(channel__next_try_at=None) | Q(channel__next_try_at__lte=now))
    channels = list(due.order_by().values_list("channel", flat=True).distinct())
    if len(channels) < 2:
        return sum(_send_all(pk) for pk in channels)
    with ThreadPoolExecutor(min(len(channels), MAX_THREADS), thread_name_prefix="channel") as pool:
        return sum(pool.map(_send_in_thread, channels))


def send_now(delivery: Delivery) -> Delivery:
    """Send one message whatever its channel waits for, and return it as it is then."""
    for row in claim_due(Delivery.objects.filter(pk=delivery.pk), due="due_at", lease=LEASE, limit=1, values=_ATTEMPT):
        _send(row)
    return Delivery.objects.get(pk=delivery.pk)


def send_again(delivery: Delivery) -> bool:
    """Queue a message that has ended once more. Return False if it waits already."""
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=Delivery.State.WAITING)
    again = {"state": Delivery.State.WAITING, "due_at": clock.now(), "handed_at": None, "ended_at": None, "attempts": 0}
    return bool(ended.update(**again))


def retry_now(channel: Channel) -> int:
    """Try what waits for this channel at once: its owner has changed it. Return how many messages wait."""
    now = clock.now()
    Channel.objects.filter(pk=channel.pk).update(next_try_at=None)
    # What nobody could be told, as no channel was ready.
    Alert.objects.filter(resolved_at=None, told_at=None, tell_due_at=None).update(tell_due_at=now)
    stale = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING, created_at__lt=now - STALE)
    stale.update(state=Delivery.State.FAILED, due_at=None, ended_at=now)
    # Nobody works on those: a claim ends by itself.
    waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING, handed_at=None)
    return waiting.update(due_at=now)


_ATTEMPT = {"attempts": F("attempts") + 1}


def _send_in_thread(channel_pk: int) -> int:
    try:
        return _send_all(channel_pk)
    except Exception:  # One channel must not keep the others from telling.
        log.exception("channel not served", channel=channel_pk)
        return 0
    finally:
        connections.close_all()


def _send_all(channel_pk: int) -> int:
    """Send what is due through one channel, until one is not delivered. Return how many were delivered."""
    rows = Delivery.objects.filter(channel=channel_pk)
    delivered = 0
    for _ in range(MAX_ROUND):
        claimed = claim_due(rows, due="due_at", lease=LEASE, limit=1, values=_ATTEMPT)
        if not claimed:
            break
        result = _send(claimed[0])
        delivered += result == Result.DELIVERED
        if result != Result.DELIVERED:
            break  # What has no answer now has none for the next one, and would be lost as well.
    return delivered


def _send(delivery: Delivery) -> Result | None:
    """Send a claimed message and store what came of it. Return the result; None if another process has it."""
    delivery.refresh_from_db(fields=["attempts"])
    channel = delivery.channel
    began = clock.now()
    if delivery.handed_at and channel.kind != Channel.Kind.WEBHOOK:
        sent = Sent(Result.UNKNOWN, "the process that sent it ended midway")
    else:
        try:
            sent = deliver(channel, delivery, lambda: _hand_over(delivery))
        except _ClaimLost:
            return None
        except Exception as error:  # Whatever it is, this message alone waits.
            log.exception("message not sent", delivery=delivery.pk)
            sent = Sent(Result.FAILED, f"{type(error).__name__} in the panel; see the log")
    return sent.result if _store(delivery, sent, began) else None


def _hand_over(delivery: Delivery) -> None:
    held = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, state=Delivery.State.WAITING)
    if not held.update(handed_at=clock.now()):
        raise _ClaimLost


def _store(delivery: Delivery, sent: Sent, began: datetime) -> bool:
    """Store the end of an attempt. Return False if the claim was lost."""
    now = clock.now()
    took = max(0, int((now - began).total_seconds() * 1_000))
    entry = {"at": began.isoformat(), "result": sent.result, "text": sent.text[:500], "ms": took}
    values: dict[str, Any] = {"log": [*delivery.log, entry][-MAX_LOG:], **_next(delivery, sent, now)}
    with transaction.atomic():
        held = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, state=Delivery.State.WAITING)
        if not held.update(**values):
            return False
        if sent.result == Result.UNKNOWN:
            _tell_otherwise(delivery, now)
        _judge(delivery.channel, sent, now, took)
    return True


def _tell_otherwise(delivery: Delivery, now: datetime) -> None:
    """Have what this message told of be told as still open: it is unknown whether it arrived."""
    told = Notice.objects.filter(delivery=delivery, alert__resolved_at=None)
    remind_soon(list(told.values_list("alert", flat=True)), at=now + REMIND_AFTER)
    # There is no later occasion to tell those.
    reminders = told.filter(occasion=Notice.Occasion.STILL_OPEN)
    reminders.update(delivery=None, tell_at=now + REMIND_AGAIN_AFTER)


def _next(delivery: Delivery, sent: Sent, now: datetime) -> dict[str, Any]:
    """Return what the attempt makes of the message."""
    if sent.result == Result.DELIVERED:
        return {"state": Delivery.State.DELIVERED, "due_at": None, "ended_at": now}
    if sent.result == Result.UNKNOWN:
        return {"state": Delivery.State.UNKNOWN, "due_at": None, "ended_at": now}
    if sent.is_for_good or delivery.attempts > len(WAITS):
        return {"state": Delivery.State.FAILED, "due_at": None, "ended_at": now}
    return {"due_at": now + (sent.wait or WAITS[delivery.attempts - 1] * jitter()), "handed_at": None}


def _judge(channel: Channel, sent: Sent, now: datetime, took: int) -> None:
    """Store whether the channel reaches its person, and have the others tell if it does not."""
    row = Channel.objects.filter(pk=channel.pk)
    if sent.result == Result.DELIVERED:
        row.update(failures=0, failing_since=None, last_error="", next_try_at=None, reached_at=now, reached_ms=took)
        resolve_alert(cause=Cause.CHANNEL, about=channel.pk)
        return
    failures = channel.failures + 1
    wait = sent.wait or backoff(failures - 1, first=WAITS[0], longest=MAX_CHANNEL_WAIT, factor=4)
    row.update(
        failures=F("failures") + 1,
        failing_since=channel.failing_since or now,
        last_error=sent.text[:500],
        next_try_at=now + wait,
        **({"is_active": False} if sent.is_for_good else {}),
    )
    if failures >= MIN_FAILURES or sent.is_for_good:
        raise_alert(
            cause=Cause.CHANNEL,
            about=channel.pk,
            text=f"The channel “{channel.name}” does not reach you: {sent.text}"[:500],
            level=Alert.Level.DANGER,
        )
