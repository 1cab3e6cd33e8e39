"""The alert on stored settings that do not hold."""

from __future__ import annotations

from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.site import groups, stored, submission_times


def watch_settings() -> None:
    """Raise an alert while a stored setting is refused, so that its default holds, or settings conflict."""
    texts = stored.texts()
    told = [f"{setting.label}: {why}" for setting, why in groups.refused(texts)]
    told += [f"{groups.SETTINGS[name].label}: {why}" for name, why in submission_times.conflicts(texts).items()]
    if not told:
        resolve_alert(cause=Cause.SETTINGS)
        return
    text = f"Some settings cannot be used as they are stored, and others hold instead. {' '.join(told)}"
    raise_alert(cause=Cause.SETTINGS, text=text)
