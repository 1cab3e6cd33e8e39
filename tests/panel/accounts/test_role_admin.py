"""The page “Roles”: owners make roles of rights; built-in roles, one's own and roles in use stay."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from panel.accounts.models import Role, User
from panel.accounts.own_roles import RoleRefused, delete_role, give_rights, rights_of
from panel.accounts.rights import OWNER_ALONE, permissions_of_rights
from panel.accounts.roles import MANAGER, OWNER, RIGHTS, ROLES, SUPPORT, set_up_roles
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


def with_group(name: str, email: str) -> User:
    user = make.customer(email)
    user.groups.add(Group.objects.get(name=name))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


@pytest.fixture
def owner() -> Client:
    return client_of(with_group(OWNER, "the-owner@example.org"))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def role(name: str = "Accountant", rights: tuple[str, ...] = ("see_wallets",)) -> Role:
    made = Role.objects.create(name=name)
    give_rights(role=made, rights=rights, seen=None)
    return made


def permissions_of(group: Group) -> set[str]:
    found = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in found}


def add(client: Client, **data: Any) -> Any:
    return client.post(reverse("admin:accounts_role_add"), data, follow=True)


def change(client: Client, of: Role, **data: Any) -> Any:
    seen = ",".join(sorted(rights_of(of)))
    address = reverse("admin:accounts_role_change", args=[of.pk])
    return client.post(address, {"name": of.name, "seen": seen, **data}, follow=True)


def test_role_when_made_then_it_holds_the_rights_and_what_they_need(owner):
    page = add(owner, name="Accountant", money=["decide_deposits", "see_wallets"])
    assert page.status_code == 200
    made = Role.objects.get(name="Accountant")
    seen = {"deposit", "wallet", "entry", "payment", "gatewaycall", "invoice", "reversal"}
    assert permissions_of(made) == {"billing.decide_deposit", *(f"billing.view_{model}" for model in seen)}
    assert "Given as well, because others need it: See deposits and their receipts." in page.content.decode()
    text = "Name: Accountant. Given: See wallets and their entries; See deposits and their receipts; Approve"
    assert LogEntry.objects.get().get_change_message().startswith(text)


def test_role_when_given_to_somebody_then_they_may_what_it_says(owner, customer):
    made = role()
    data = {"email": customer.email, "first_name": "", "last_name": "", "is_active": "on", "groups": [made.pk]}
    owner.post(reverse("admin:accounts_user_change", args=[customer.pk]), data)
    client = client_of(User.objects.get(pk=customer.pk))
    assert client.get(reverse("admin:billing_wallet_changelist")).status_code == 200
    assert client.get(reverse("admin:billing_deposit_changelist")).status_code == 403


def test_role_when_changed_then_rights_are_exactly_those_ticked_and_logged(owner):
    made = role()
    page = owner.get(reverse("admin:accounts_role_change", args=[made.pk])).content.decode()
    assert re.findall(r'value="([a-z_]+)"[^>]*\schecked[\s>]', page) == ["see_wallets"]
    change(owner, made, name="Helper", orders=["see_orders"])
    made.refresh_from_db()
    assert (made.name, permissions_of(made)) == ("Helper", {"orders.view_order", "orders.view_dripfeed"})
    message = "Name: Helper. Given: See orders and drip-feeds. Taken: See wallets and their entries."
    assert LogEntry.objects.get().get_change_message() == message


def test_role_when_changed_by_somebody_else_meanwhile_then_refused(owner):
    made = role()
    page = change(owner, made, seen="see_deposits", orders=["see_orders"])
    assert "Somebody changed this role" in page.content.decode()
    assert rights_of(made) == {"see_wallets"}
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"name": "support", "money": ["see_wallets"]}, "comes with the panel"),
        ({"name": "ACCOUNTANT", "money": ["see_wallets"]}, "There is a role with this name"),
        ({"name": "Empty"}, "Tick at least one right"),
        ({"name": "More", "money": ["billing.add_entry"]}, "Select a valid choice"),
        ({"name": "More", "money": ["see_log"]}, "Select a valid choice"),
    ],
)
def test_role_when_the_form_is_wrong_then_told_and_nothing_made(owner, data, told):
    role()
    assert told in add(owner, **data).content.decode()
    assert Role.objects.count() == 4


@pytest.mark.parametrize("name", ROLES)
def test_built_in_role_when_changed_or_deleted_then_refused(owner, name):
    built_in = Role.objects.get(name=name)
    before = permissions_of(built_in)
    page = owner.get(reverse("admin:accounts_role_change", args=[built_in.pk])).content.decode()
    assert RIGHTS[name] in unescape(page)
    assert change(owner, built_in, name="Mine", orders=["see_orders"]).status_code == 403
    address = reverse("admin:accounts_role_delete", args=[built_in.pk])
    assert owner.post(address, {"post": "yes"}).status_code == 403
    with pytest.raises(RoleRefused):
        delete_role(role=built_in)
    with pytest.raises(RoleRefused):
        give_rights(role=built_in, rights=["see_orders"], seen=None)
    assert permissions_of(Role.objects.get(name=name)) == before


def test_role_when_people_have_it_then_not_deleted_and_they_are_named(owner):
    made = role()
    person = with_group(made.name, "ann@example.org")
    address = reverse("admin:accounts_role_delete", args=[made.pk])
    page = owner.post(address, {"post": "yes"}, follow=True).content.decode()
    assert "was not deleted: ann@example.org has it. Give them another role first." in page
    assert person.groups.get() == Group.objects.get(pk=made.pk)
    person.groups.clear()
    owner.post(address, {"post": "yes"})
    assert not Role.objects.filter(pk=made.pk).exists()
    assert LogEntry.objects.get().is_deletion()


def test_role_when_it_is_ones_own_then_not_changed():
    made = role()
    user = with_group(OWNER, "both@example.org")
    user.groups.add(made)
    client = client_of(user)
    assert change(client, made, orders=["see_orders"]).status_code == 403
    assert rights_of(made) == {"see_wallets"}


@pytest.mark.parametrize("name", [MANAGER, SUPPORT])
def test_roles_page_when_staff_may_not_hand_out_roles_then_closed(name):
    made = role()
    client = client_of(with_group(name, "staff@example.org"))
    for page, pk in (("changelist", []), ("add", []), ("change", [made.pk]), ("delete", [made.pk])):
        assert client.get(reverse(f"admin:accounts_role_{page}", args=pk)).status_code == 403
    assert add(client, name="Mine", orders=["see_orders"]).status_code == 403
    assert Role.objects.count() == 4


def test_own_roles_when_set_up_again_then_completed_and_nothing_taken():
    """As after a release in which “See wallets” covers entries, too."""
    made = role()
    made.permissions.remove(Permission.objects.get(codename="view_entry"))
    more = Permission.objects.get(codename="view_paymentmethod")
    made.permissions.add(more)
    set_up_roles()
    assert permissions_of(made) == {"billing.view_wallet", "billing.view_entry", "billing.view_paymentmethod"}


def test_role_when_every_right_is_ticked_then_nothing_is_the_owners(owner):
    form = owner.get(reverse("admin:accounts_role_add")).context["adminform"].form
    ticked = {
        name: [key for key, _ in field.choices] for name, field in form.fields.items() if hasattr(field, "choices")
    }
    add(owner, name="All", **ticked)
    held = permissions_of(Role.objects.get(name="All"))
    assert held == permissions_of_rights(key for keys in ticked.values() for key in keys)
    assert not held & OWNER_ALONE
