"""When a channel may tell something: at once, or after its quiet hours, or with its next digest. Local time."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from panel.channels.models import Channel
from panel.lib.panel_days import panel_moment, panel_time


def tell_at(channel: Channel, *, is_urgent: bool, now: datetime) -> datetime | None:
    """Return when the channel tells what happened at `now`; None if it does not."""
    if is_urgent:
        return after_quiet(channel, now) if channel.quiet_covers_urgent else now
    match channel.pace:
        case Channel.Pace.NEVER:
            return None
        case Channel.Pace.AT_ONCE:
            return after_quiet(channel, now)
        case Channel.Pace.HOURLY:
            local = panel_time(now)
            return after_quiet(channel, local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
        case _:
            return next_time(now, channel.daily_at)  # Chosen by a person: quiet hours do not move it.


def after_quiet(channel: Channel, moment: datetime) -> datetime:
    """Return `moment`, or the end of the quiet hours that it falls into."""
    begin, end = channel.quiet_from, channel.quiet_until
    if begin is None or end is None or begin == end:
        return moment
    at = panel_time(moment).time()
    is_quiet = begin <= at < end if begin < end else at >= begin or at < end
    return next_time(moment, end) if is_quiet else moment


def next_time(moment: datetime, at: time) -> datetime:
    """Return when the clock next shows `at`, after `moment`."""
    local = panel_time(moment)
    day = local.date() if local.time() < at else local.date() + timedelta(days=1)
    return panel_moment(day, at)
