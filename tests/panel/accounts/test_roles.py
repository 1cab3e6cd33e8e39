"""Roles of staff: the groups, handing them out, and what is logged. tests/panel/routes tell which pages they open."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, ROLES, SUPPORT, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from tests import make
from tests.panel.routes.shop import with_role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


OURS = ("accounts", "activity", "ops", "site", "staff", "catalog", "billing", "orders")


def signed_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def everything() -> dict[str, list[Any]]:
    """Return all rows of our apps, the groups, and the log."""
    ours = [model for label in (*OURS, "admin", "auth") for model in apps.get_app_config(label).get_models()]
    ours += [User.groups.through, Group.permissions.through, User.user_permissions.through]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in ours}


def test_overview_when_staff_have_no_role_then_it_is_empty(provider):
    user = make.customer("new@example.org")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    page = signed_in_as(user).get(reverse("admin:index"))
    assert page.status_code == 200
    text = page.content.decode()
    assert "Customers hold" not in text
    assert provider.name not in text


# -- the groups --------------------------------------------------------------------------------------


def permissions_of(role: str) -> set[str]:
    found = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in found}


def test_roles_when_tampered_with_then_repaired_other_groups_kept():
    own = Group.objects.create(name="Accountants")
    own.permissions.add(Permission.objects.get(codename="view_entry"))
    before = {role: permissions_of(role) for role in ROLES}
    Group.objects.get(name=OWNER).delete()
    Group.objects.get(name=SUPPORT).permissions.add(Permission.objects.get(codename="add_entry"))
    Group.objects.get(name=MANAGER).permissions.clear()
    for _ in range(2):
        set_up_roles()
        assert {role: permissions_of(role) for role in ROLES} == before
    assert [one.codename for one in own.permissions.all()] == ["view_entry"]
    assert Group.objects.count() == 4


def test_roles_when_the_code_names_a_permission_then_it_exists():
    for role, wanted in ROLES.items():
        assert wanted is None or permissions_of(role) == wanted


def test_roles_when_nothing_differs_then_nothing_is_written():
    with CaptureQueriesContext(connection) as queries:
        set_up_roles()
    assert [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []


@pytest.mark.django_db(transaction=True)
def test_roles_when_the_tables_were_flushed_then_created_again():
    apps.get_app_config("accounts").ready()
    try:
        call_command("flush", interactive=False, verbosity=0)
    finally:
        post_migrate.disconnect(sender=apps.get_app_config("accounts"), dispatch_uid="accounts.roles")
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert permissions_of(SUPPORT) == ROLES[SUPPORT]


# -- handing out roles -------------------------------------------------------------------------------


def change(client: Client, user: User, **changes: Any) -> Any:
    data = {"email": user.email, "first_name": "", "last_name": "", "is_active": "on", **changes}
    return client.post(reverse("admin:accounts_user_change", args=[user.pk]), data)


def number(role: str) -> int:
    return Group.objects.get(name=role).pk


def roles_of(user: User) -> tuple[list[str], bool, bool]:
    user = User.objects.get(pk=user.pk)
    return sorted(group.name for group in user.groups.all()), user.is_staff, user.is_superuser


def test_role_when_granted_or_revoked_then_admin_access_follows(customer):
    client = signed_in_as(with_role(OWNER))
    assert change(client, customer, groups=[number(SUPPORT)]).status_code == 302
    assert roles_of(customer) == ([SUPPORT], True, False)
    assert "Role" in LogEntry.objects.latest("pk").get_change_message()
    assert change(client, customer).status_code == 302
    assert roles_of(customer) == ([], False, False)


def test_role_when_other_fields_change_then_it_stays(customer):
    client = signed_in_as(with_role(OWNER))
    support = with_role(SUPPORT)
    change(client, support, groups=[number(SUPPORT)], first_name="Sam")
    assert roles_of(support) == ([SUPPORT], True, False)
    assert User.objects.get(pk=support.pk).first_name == "Sam"


@pytest.mark.parametrize("role", ROLES)
def test_rights_when_an_owner_posts_more_than_a_role_then_ignored(role, customer):
    client = signed_in_as(with_role(role))
    wanted = {"is_superuser": "on", "is_staff": "on", "user_permissions": [Permission.objects.first().pk]}
    groups = {} if role == OWNER else {"groups": [number(OWNER)]}
    assert change(client, customer, **wanted, **groups).status_code == 302
    assert roles_of(customer) == ([], False, False)
    assert not customer.user_permissions.exists()


@pytest.mark.parametrize("role", [MANAGER, SUPPORT])
def test_staff_when_edited_without_the_right_then_refused(role):
    client = signed_in_as(with_role(role))
    colleague = with_role(SUPPORT, "colleague@example.org")
    for user in (colleague, User.objects.get(email=f"the-{role.lower()}@example.org")):
        before = everything()
        assert change(client, user, groups=[number(OWNER)], email="mine@example.org").status_code == 403
        assert everything() == before


def test_superuser_when_edited_by_an_owner_then_refused(staff):
    client = signed_in_as(with_role(OWNER))
    before = everything()
    assert change(client, staff, email="mine@example.org").status_code == 403
    assert everything() == before


def test_own_role_when_an_owner_posts_another_then_it_stays():
    owner = with_role(OWNER)
    change(signed_in_as(owner), owner, groups=[number(SUPPORT)], is_active="")
    assert roles_of(owner) == ([OWNER], True, False)
    assert User.objects.get(pk=owner.pk).is_active


def test_role_when_person_signed_in_meanwhile_then_row_is_kept(customer, monkeypatch):
    """The form writes the changed fields, and nothing that was written to the row meanwhile."""
    client = signed_in_as(with_role(OWNER))
    seen = timezone.now()
    save = User.save

    def slow_save(user: User, *args: Any, **kwargs: Any) -> None:
        User.objects.filter(pk=user.pk).update(last_login=seen)
        save(user, *args, **kwargs)

    monkeypatch.setattr(User, "save", slow_save)
    change(client, customer, groups=[number(SUPPORT)])
    assert User.objects.get(pk=customer.pk).last_login == seen


def test_users_when_there_are_more_then_list_needs_no_more_queries(customer):
    client = signed_in_as(with_role(OWNER))
    address = reverse("admin:accounts_user_changelist")

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    statements()
    few = statements()
    for index in range(8):
        with_role(SUPPORT, f"s{index}@example.org")
    assert statements() == few


# -- the log -----------------------------------------------------------------------------------------


def activity(client: Client, **filters: Any) -> str:
    page = client.get(reverse("admin:activity_act_changelist"), filters)
    assert page.status_code == 200
    return page.content.decode()


def test_activity_when_staff_acted_then_it_shows_who_what_and_where(customer):
    owner, support = with_role(OWNER), with_role(SUPPORT)
    User.objects.filter(pk=customer.pk).update(email="a&b@example.org")
    change(signed_in_as(support), customer, first_name="<b>Al</b>")
    text = activity(signed_in_as(owner))
    assert "the-support@example.org" in text
    assert "Changed First name." in text
    assert reverse("admin:accounts_user_change", args=[customer.pk]) in text
    assert "a&amp;b@example.org" in text
    assert "<b>Al</b>" not in text


def test_activity_when_filtered_by_person_then_only_theirs_is_listed(customer):
    owner, support = with_role(OWNER), with_role(SUPPORT)
    LogEntry.objects.log_actions(str(support.pk), [customer], 2, "Done by support.")
    LogEntry.objects.log_actions(str(owner.pk), [customer], 1, "Done by owner.")
    client = signed_in_as(owner)
    text = activity(client, who=support.pk)
    assert "Done by support." in text
    assert "Done by owner." not in text
    assert "Done by support." not in activity(client, action_flag__exact=1)
    assert "Done by support." in activity(client, who="9999999999999999999999")


def test_activity_when_it_grows_then_its_list_needs_no_more_queries(customer):
    owner = with_role(OWNER)
    client = signed_in_as(owner)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            activity(client)
        return len(queries)

    LogEntry.objects.log_actions(str(owner.pk), [customer], 2, "Changed.")
    statements()
    few = statements()
    LogEntry.objects.log_actions(str(customer.pk), [owner] * 3, 2, "Changed.")
    LogEntry.objects.log_actions(str(owner.pk), list(Group.objects.all()), 3, "")
    assert statements() == few


def test_alerts_when_resolved_then_the_log_shows_by_whom(customer):
    raise_alert(cause=Cause.LEDGER, text="Something")
    alert = Alert.objects.get()
    manager = with_role(MANAGER)
    data = {"action": "resolve", "_selected_action": [alert.pk]}
    signed_in_as(manager).post(reverse("admin:ops_alert_changelist"), data)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (manager, str(alert.pk), "Marked as resolved.")
