"""When an order in doubt is searched for first, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest

from orders.common.backoff import first_search_after
from panel.site import registry as site


def doubt_from(now: datetime) -> dict[str, object]:
    """Return the next search and the deadline of an order in doubt; a deadline or a later search already set stays."""
    return {
        "next_action_at": Greatest(F("next_action_at"), Value(now + first_search_after())),
        "doubt_until": Coalesce(F("doubt_until"), Value(now + timedelta(minutes=site.DOUBT_DEADLINE_MINUTES.value))),
    }
