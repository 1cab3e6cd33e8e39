"""System checks of what the environment says about settings that the admin could change.

The database is not asked: a stored text that is refused must not keep the panel from starting.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import Error, register

from panel.site import groups, submission_times

_IDS = {
    "PANEL_ACCENT": "panel.E002",
    "POLL_INTERVALS": "panel.E004",
    "DOUBT_DEADLINE_MINUTES": "panel.E006",
    "UPSTREAM_ADD_TIMEOUT": "panel.E008",
    "QUEUE_LIMIT_HOURS": "panel.E009",
    "API_RATE_PER_KEY": "panel.E011",
    "API_RATE_PER_ADDRESS": "panel.E011",
    "API_DUPLICATE_WINDOW": "panel.E012",
}


@register()
def check_environment(**_: Any) -> list[Error]:
    """Report each value that its setting refuses, so that the default would hold without a word."""
    errors = []
    for name, setting in groups.SETTINGS.items():
        if (text := setting.environment_text) is None:
            continue
        try:
            setting.parse(text)
        except ValueError as error:
            errors.append(Error(f"{setting.environment}: {error}", id=_IDS.get(name, "panel.E013")))
    return errors


@register()
def check_conflicts(**_: Any) -> list[Error]:
    """Report times that cannot work together. Found only while an order is being sent, they would leave it in doubt."""
    return [Error(f"{name}: {text}", id="panel.E005") for name, text in submission_times.conflicts({}).items()]
