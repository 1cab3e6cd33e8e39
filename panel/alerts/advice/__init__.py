"""What the panel does by itself about each cause of alerts, what the owner does, and on which page.

`docs/what-can-go-wrong.md` has the same sentences; a test compares them.
"""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from panel.alerts.advice import panel, providers
from panel.alerts.advice.words import TOPICS, Advice, Topic
from panel.alerts.causes import cause_of

__all__ = ("ADVICE", "TOPICS", "Advice", "Topic", "advice_about", "decision_path", "path_about")

ADVICE = {**panel.ADVICE, **providers.ADVICE}


def advice_about(stored: str) -> Advice | None:
    """Return the advice for a stored cause; None for one that this version does not know."""
    cause, _ = cause_of(stored)
    return ADVICE[cause] if cause else None


def path_about(stored: str) -> str:
    """Return the path of the page on which the owner acts: the list of alerts where there is no other."""
    cause, about = cause_of(stored)
    page = ADVICE[cause].page if cause else ""
    try:
        return reverse(page, args=[about] if page.endswith("_change") else [])
    except NoReverseMatch:
        return reverse("admin:ops_alert_changelist")


def decision_path(stored: str) -> str:
    """Return the path of the page on which the owner decides at once, or acts: for messages to the owner."""
    cause, about = cause_of(stored)
    decision = ADVICE[cause].decision if cause else ""
    return reverse(decision, args=[about]) if decision else path_about(stored)
