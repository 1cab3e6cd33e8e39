"""An order that a dead worker sent under a longer lease is not taken for over too early."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from panel.site import stored
from panel.site.leases import longest_lease_since
from panel.site.models import SettingChange, StoredSetting
from panel.site.services import Wanted, change_settings

pytestmark = pytest.mark.django_db


def change(staff, monkeypatch, seen=0, **texts):
    change_settings(actor=staff, wanted={name: Wanted(text, seen) for name, text in texts.items()})
    kept = dict(StoredSetting.objects.exclude(value=None).values_list("name", "value"))
    monkeypatch.setattr(stored, "_current", stored.Snapshot(kept, float("inf")))


def test_lease_when_never_changed_then_the_present_one():
    assert longest_lease_since(timezone.now()) == timedelta(seconds=90)


def test_lease_when_shortened_since_then_the_longer_one_from_before(staff, monkeypatch):
    change(staff, monkeypatch, SUBMISSION_LEASE_SECONDS="600")
    change(staff, monkeypatch, 1, SUBMISSION_LEASE_SECONDS="70")
    began = timezone.now()
    assert longest_lease_since(began) == timedelta(seconds=600)
    SettingChange.objects.update(changed_at=began - timedelta(hours=1))
    assert longest_lease_since(began) == timedelta(seconds=70)


def test_lease_when_it_was_the_default_before_then_that(staff, monkeypatch):
    change(staff, monkeypatch, SUBMISSION_LEASE_SECONDS="70")
    assert longest_lease_since(timezone.now()) == timedelta(seconds=90)


def test_lease_when_the_answer_was_longer_then_long_enough_for_it(staff, monkeypatch):
    change(staff, monkeypatch, UPSTREAM_ADD_TIMEOUT="300", SUBMISSION_LEASE_SECONDS="302")
    change(staff, monkeypatch, 1, UPSTREAM_ADD_TIMEOUT=None, SUBMISSION_LEASE_SECONDS=None)
    assert longest_lease_since(timezone.now()) == timedelta(seconds=302)
