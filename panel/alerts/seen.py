"""Which alerts a member of staff sees."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from panel.alerts.causes import Cause
from panel.alerts.models import Alert

# As panel/accounts/rights.py has it, which no module of alerts may import.
SEE_COSTS = "orders.view_profit"


def alerts_for(user: Any, alerts: QuerySet[Alert] | None = None) -> QuerySet[Alert]:
    """Return the alerts, without those that tell costs unless the user may see these."""
    found = Alert.objects.all() if alerts is None else alerts
    if user.has_perm(SEE_COSTS):
        return found
    hidden = Q()
    for cause in Cause:
        if cause.tells_costs:
            start, _, end = cause.partition("{}")
            hidden |= Q(cause__startswith=start, cause__contains=end)
    return found.exclude(hidden)
