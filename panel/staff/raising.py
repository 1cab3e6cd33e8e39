"""Higher limits, confirmed by a second person: an owner who could raise them alone would have none."""

from __future__ import annotations

from django.conf import settings

from panel.accounts.owner_notices import Shift, notify_owners
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib.money import format_money
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
    # Raised limits hide what follows, so this is told to all owners: also if the second person is one's own puppet.
    shifts = [
        Shift(f"{role}, {kind}", _shown(at_once, a_day), _shown(new_at_once, new_a_day))
        for role, kind, at_once, a_day, new_at_once, new_a_day in rows
    ]
    notify_owners(subject="Limits of staff were raised", actor=look.asked_by, shifts=shifts, note=why.note)
    told = "; ".join(f"{shift.label}: {shift.before} → {shift.after}" for shift in shifts)
    raise_alert(
        cause=Cause.STAFF_MONEY,
        about=look.asked_by_id,
        level=Alert.Level.DANGER,
        text=f"{look.asked_by.email} had limits of staff raised, confirmed by {look.decided_by}: {told}",
    )
    return "The limits are raised."


def _shown(at_once: int, a_day: int) -> str:
    at_once_text, a_day_text = (format_money(one, settings.PANEL_CURRENCY, exact=True) for one in (at_once, a_day))
    return f"{at_once_text} at once, {a_day_text} a day"


ACTS = (Act(ACT, "staff.change_stafflimit", _run),)
