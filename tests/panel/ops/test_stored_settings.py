"""A stored setting that a newer version refuses: its default holds, and the owner is told until it is mended."""

from __future__ import annotations

import pytest

from panel.alerts.models import Alert
from panel.ops.tasks import check_settings
from panel.site import registry as site
from panel.site import stored

pytestmark = pytest.mark.django_db


def store(monkeypatch, **texts):
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))


def open_alerts():
    return list(Alert.objects.filter(resolved_at=None).values_list("cause", "text"))


def test_check_when_text_is_rejected_then_one_alert_until_fixed(monkeypatch):
    store(monkeypatch, PANEL_ACCENT="red", QUEUE_LIMIT_HOURS="7")
    check_settings()
    check_settings()
    [(cause, text)] = open_alerts()
    assert cause == "settings" and "Accent: Enter a colour such as #4f46e5." in text
    assert site.PANEL_ACCENT.value == "#4f46e5"
    store(monkeypatch, QUEUE_LIMIT_HOURS="7")
    check_settings()
    assert open_alerts() == []


def test_check_when_the_environment_makes_a_conflict_then_an_alert(monkeypatch, settings):
    store(monkeypatch, SUBMISSION_LEASE_SECONDS="30")
    settings.UPSTREAM_ADD_TIMEOUT = "50"
    check_settings()
    [(_, text)] = open_alerts()
    assert "Lease of an order that is sent" in text


def test_check_when_all_is_well_then_no_alert():
    check_settings()
    assert open_alerts() == []
