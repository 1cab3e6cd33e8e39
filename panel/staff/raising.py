"""Higher limits, confirmed by a second person: an owner who could raise them alone would have none."""

from __future__ import annotations

from panel.staff.acts import Act, ActRefused
from panel.staff.deeds import Why
from panel.staff.kinds import Limit
from panel.staff.limits import all_limits, store_limits
from panel.staff.models import SecondLook

ACT = "raise_limits"


def params_of(before: dict[tuple[str, str], Limit], wanted: dict[tuple[str, str], Limit]) -> dict[str, object]:
    """Return the limits to raise, with those that were seen, as JSON holds them."""
    return {
        "limits": [
            [role, kind, before[role, kind].at_once, before[role, kind].a_day, limit.at_once, limit.a_day]
            for (role, kind), limit in wanted.items()
        ]
    }


def _run(look: SecondLook, why: Why) -> str:
    now = all_limits()
    rows = look.params["limits"]
    if any(now.get((role, kind)) != Limit(at_once, a_day) for role, kind, at_once, a_day, _, _ in rows):
        raise ActRefused("The limits changed since this was asked.")
    store_limits({(role, kind): Limit(at_once, a_day) for role, kind, _, _, at_once, a_day in rows})
    return "The limits are raised."


ACTS = (Act(ACT, "staff.change_stafflimit", _run),)
