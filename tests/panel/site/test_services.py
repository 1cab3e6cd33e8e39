"""Changes of settings: all or none, never over what somebody else has just set, and undone one by one."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied

from panel.accounts.roles import MANAGER, SUPPORT, set_up_roles
from panel.site import groups, submission_times
from panel.site import registry as site
from panel.site.kinds import Secret
from panel.site.models import SettingChange, StoredSetting
from panel.site.services import SettingsRefused, Wanted, change_settings, shown_text, undo_change
from tests import make
from tests.threads import in_threads

pytestmark = pytest.mark.django_db
SECRET = Secret("GATEWAY_KEY", "Gateway key", default="")


def with_role(role):
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    return user


def texts():
    return {row.name: row.value for row in StoredSetting.objects.exclude(value=None)}


def change(actor, seen=0, **wanted):
    return change_settings(actor=actor, wanted={name: Wanted(text, seen) for name, text in wanted.items()})


def refusals(actor, seen=0, **wanted):
    with pytest.raises(SettingsRefused) as refused:
        change(actor, seen, **wanted)
    return refused.value.errors


def test_change_when_good_then_stored_with_who_before_and_after(staff):
    changes = change(staff, PANEL_NAME=" Harbour ", QUEUE_LIMIT_HOURS="24", SUPPORT_EMAIL=None)
    assert texts() == {"PANEL_NAME": "Harbour", "QUEUE_LIMIT_HOURS": "24"}
    assert [(one.name, one.old, one.new, one.actor, one.version) for one in changes] == [
        ("PANEL_NAME", None, "Harbour", staff, 1),
        ("QUEUE_LIMIT_HOURS", None, "24", staff, 1),
    ]
    logged = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert logged[0] == "Name: default (Upmark) → Harbour"


def test_change_when_nothing_differs_then_no_change_even_if_stale(staff):
    change(staff, PANEL_NAME="Harbour")
    assert change(staff, 0, PANEL_NAME="Harbour") == []
    assert SettingChange.objects.count() == LogEntry.objects.count() == 1


def test_change_when_one_is_refused_then_none_is_stored(staff):
    assert refusals(staff, PANEL_NAME="Harbour", PANEL_ACCENT="red") == {
        "PANEL_ACCENT": "Enter a colour such as #4f46e5."
    }
    assert texts() == {} and not SettingChange.objects.exists()


def test_change_when_outdated_then_rejected_with_current_value(staff):
    change(staff, QUEUE_LIMIT_HOURS="5")
    errors = refusals(staff, 0, QUEUE_LIMIT_HOURS="7", PANEL_NAME="Harbour")
    assert errors == {"QUEUE_LIMIT_HOURS": "Somebody changed this meanwhile. Now it is: 5 hours. Nothing was saved."}
    assert texts() == {"QUEUE_LIMIT_HOURS": "5"}
    change(staff, 1, QUEUE_LIMIT_HOURS="7")
    assert texts() == {"QUEUE_LIMIT_HOURS": "7"}


def test_change_when_reset_to_default_then_no_text_and_new_version(staff):
    change(staff, PANEL_NAME="Harbour")
    [back] = change(staff, 1, PANEL_NAME=None)
    assert (texts(), back.old, back.new, back.version) == ({}, "Harbour", None, 2)
    assert refusals(staff, 0, PANEL_NAME="Haven")


def test_change_when_the_environment_speaks_then_refused(staff, settings):
    settings.PANEL_NAME = "From the environment"
    assert refusals(staff, PANEL_NAME="Mine") == {
        "PANEL_NAME": "The environment sets PANEL_NAME. Change it there and restart."
    }


def test_change_when_times_conflict_then_error_at_a_changed_field(staff):
    assert set(refusals(staff, SUBMISSION_LEASE_SECONDS="30")) == {"SUBMISSION_LEASE_SECONDS"}
    assert set(refusals(staff, UPSTREAM_ADD_TIMEOUT="100")) == {"UPSTREAM_ADD_TIMEOUT"}
    change(staff, UPSTREAM_ADD_TIMEOUT="100", SUBMISSION_LEASE_SECONDS="120")
    assert set(refusals(staff, 1, SUBMISSION_LEASE_SECONDS=None)) == {"SUBMISSION_LEASE_SECONDS"}


def test_change_when_environment_conflicts_then_others_changeable(staff, settings):
    settings.UPSTREAM_ADD_TIMEOUT = "100"
    change(staff, PANEL_NAME="Harbour")
    assert set(refusals(staff, SUBMISSION_LEASE_SECONDS="95")) == {"SUBMISSION_LEASE_SECONDS"}
    change(staff, SUBMISSION_LEASE_SECONDS="102")
    assert texts() == {"PANEL_NAME": "Harbour", "SUBMISSION_LEASE_SECONDS": "102"}


def test_change_when_not_allowed_then_denied(staff):
    set_up_roles()
    manager, support = with_role(MANAGER), with_role(SUPPORT)
    change(manager, PANEL_NAME="Harbour")
    with pytest.raises(PermissionDenied):
        change(manager, PANEL_NAME="Haven", UPSTREAM_ADD_TIMEOUT="50")
    with pytest.raises(PermissionDenied):
        change(support, 1, PANEL_NAME="Haven")
    with pytest.raises(PermissionDenied):
        change(staff, NO_SUCH="x")
    change(staff, UPSTREAM_ADD_TIMEOUT="50")
    assert texts() == {"PANEL_NAME": "Harbour", "UPSTREAM_ADD_TIMEOUT": "50"}


def test_undo_when_unchanged_since_then_the_value_from_before(staff):
    [first] = change(staff, PANEL_NAME="Harbour")
    [second] = change(staff, 1, PANEL_NAME="Haven")
    [undone] = undo_change(actor=staff, change=second)
    assert (texts(), undone.undo_of, undone.old, undone.new) == ({"PANEL_NAME": "Harbour"}, second, "Haven", "Harbour")
    with pytest.raises(SettingsRefused, match="meanwhile"):
        undo_change(actor=staff, change=first)
    undo_change(actor=staff, change=undone)
    assert texts() == {"PANEL_NAME": "Haven"}


def test_undo_when_a_newer_version_refuses_the_value_then_told(staff):
    StoredSetting.objects.create(name="PANEL_ACCENT", value="red")
    [changed] = change(staff, PANEL_ACCENT="#112233")
    with pytest.raises(SettingsRefused, match="Enter a colour"):
        undo_change(actor=staff, change=changed)


def test_undo_when_the_setting_is_gone_then_told(staff):
    gone = SettingChange.objects.create(name="GONE", version=1, old="a", new="b")
    with pytest.raises(SettingsRefused, match="no longer exists"):
        undo_change(actor=staff, change=gone)


def test_secret_when_changed_then_neither_history_nor_log_has_it(staff, monkeypatch):
    monkeypatch.setitem(groups.SETTINGS, SECRET.name, SECRET)
    change(staff, GATEWAY_KEY="sk-live-1")
    [changed] = change(staff, 1, GATEWAY_KEY="sk-live-2")
    assert (changed.old, changed.new) == (None, None)
    assert SECRET.from_stored(texts()["GATEWAY_KEY"]) == "sk-live-2"
    kept = [*LogEntry.objects.values_list("change_message", flat=True), texts()["GATEWAY_KEY"]]
    assert not any("sk-live" in text for text in kept) and kept[0] == "Gateway key was replaced."
    with pytest.raises(SettingsRefused, match="not kept"):
        undo_change(actor=staff, change=changed)


def test_shown_text_when_no_longer_accepted_then_as_it_is():
    assert shown_text(site.PANEL_ACCENT, "red") == "red"
    assert shown_text(site.QUEUE_LIMIT_HOURS, None) == "default (24 hours)"


@pytest.mark.django_db(transaction=True)
def test_change_when_many_editors_save_at_once_then_one_wins(staff):
    results = in_threads(*[lambda name=str(number): change(staff, PANEL_NAME=name) for number in range(4)])
    assert sum(isinstance(one, SettingsRefused) for one in results) == 3, results
    assert SettingChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_change_when_two_together_conflict_then_one_is_rejected(staff):
    """Each alone would be good: the lease shorter, and the answer longer."""
    change(staff, SUBMISSION_LEASE_SECONDS="200")
    results = in_threads(
        lambda: change(staff, 1, SUBMISSION_LEASE_SECONDS="70"), lambda: change(staff, UPSTREAM_ADD_TIMEOUT="100")
    )
    assert sum(isinstance(one, SettingsRefused) for one in results) == 1, results
    assert submission_times.conflicts(texts()) == {}
