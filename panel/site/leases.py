"""How long a worker may have held an order that it sent, though the owner changes the lease meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from panel.site.models import SettingChange
from panel.site.registry import SUBMISSION_LEASE_SECONDS, UPSTREAM_ADD_TIMEOUT
from panel.site.submission_times import LEASE_SPARE_SECONDS, submission_times

# A worker follows a change within a second, or when the transaction ends that it is in.
_FOLLOWED_BY = timedelta(minutes=5)


def longest_lease_since(moment: datetime) -> timedelta:
    """Return the longest lease that an order claimed at `moment` or later may have had."""
    lengths = [submission_times()[1]]
    names = (SUBMISSION_LEASE_SECONDS.name, UPSTREAM_ADD_TIMEOUT.name)
    changes = SettingChange.objects.filter(name__in=names, changed_at__gte=moment - _FOLLOWED_BY)
    for name, old in changes.values_list("name", "old"):
        texts = {} if old is None else {name: old}
        lengths.append(SUBMISSION_LEASE_SECONDS.value_in(texts))
        lengths.append(UPSTREAM_ADD_TIMEOUT.value_in(texts) + LEASE_SPARE_SECONDS)
    return timedelta(seconds=max(lengths))
