"""Filters in the addresses of admin lists cannot reveal a hash or a secret letter by letter."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.models import ComparedDay
from catalog.models import CustomerGroup, GroupMember, TypeWord
from orders.models import LateOrders, MoneyDay
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, SUPPORT, set_up_roles
from panel.api.keys.services import make_key
from panel.lib.admin.base import SECRETS, ModelAdmin
from panel.staff.models import StaffDeed, StaffLimit
from tests import make

# Refused before any query.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

WAYS = (
    "",
    "pk__",
    "pk__pk__",
    "pk__customer__",
    "customer__",
    "customer_id__",
    "customer__pk__",
    "user__",
    "pk__user__",
    "wallet__customer__",
    "actor__",
    "decided_by__",
    "groups__user__",
    "members__customer__",
)


@pytest.fixture
def victim(customer: User) -> User:
    group = CustomerGroup.objects.create(name="Friends", discount_bp=500)
    GroupMember.objects.create(customer=customer, group=group)
    Authenticator.objects.create(user=customer, type="totp", data={"secret": "QWERTY"})
    make_key(customer=customer, name="Shop")
    return customer


def client_of(role: str) -> Client:
    set_up_roles()
    user = make.customer("staff@example.org")
    if role != "Superuser":
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=role == "Superuser")
    client = Client()
    client.force_login(user)
    return client


def answer(client: Client, model: Any, lookup: str) -> Any:
    """Return what would distinguish guesses: the number of rows listed, or that none are."""
    page = client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), {lookup: "zzz"})
    return page.context["cl"].result_count if page.context and "cl" in page.context else page.status_code


# Their page is no list, and ignores lookups.
WITHOUT_LOOKUPS = {ComparedDay, LateOrders, MoneyDay, StaffDeed, StaffLimit, TypeWord}
ENDS = ("password__startswith", "authenticator__data__secret__regex", "api_keys__digest__startswith")


def test_lookups_when_they_reach_a_secret_then_no_list_allows_them(rf, staff):
    request = rf.get("/")
    request.user = staff
    for model, model_admin in site._registry.items():
        for lookup in (way + end for way in WAYS for end in ENDS):
            assert not model_admin.lookup_allowed(lookup, "zzz", request), (model, lookup)


@pytest.mark.parametrize("role", [SUPPORT, MANAGER, "Superuser"])
def test_lists_when_filtered_by_a_secret_then_refused(role, victim):
    client = client_of(role)
    for model in set(site._registry) - WITHOUT_LOOKUPS:
        for lookup in (ENDS[0], f"pk__customer__{ENDS[0]}"):
            # If accepted, it would list nobody, since nothing starts so. A list with one row redirects to that row.
            assert answer(client, model, lookup) in (302, 400, 403), (model, lookup)


def test_lists_when_filtered_by_their_own_secrets_then_refused(victim):
    client = client_of("Superuser")
    for model in site._registry:
        for column in SECRETS & {field.name for field in model._meta.get_fields()}:
            assert answer(client, model, f"{column}__startswith") == 400, (model, column)


@pytest.mark.parametrize("role", [SUPPORT, MANAGER, "Superuser"])
def test_lists_when_primary_key_is_a_relation_then_lookup_rejected(role, victim):
    client = client_of(role)
    for model in site._registry:
        for field in model._meta.get_fields():
            related = field.related_model
            if not hasattr(related, "_meta") or not related._meta.pk.is_relation:
                continue
            # A column of the related row other than its key.
            column = next(one for one in related._meta.pk.related_model._meta.concrete_fields if not one.primary_key)
            lookup = f"{field.name}__pk__{column.name}"
            assert answer(client, model, lookup) in (400, 403), (model, lookup)


def test_lists_when_filtered_by_a_key_then_still_works(victim):
    client = client_of(MANAGER)
    listed = client.get(reverse("admin:catalog_groupmember_changelist"), {"pk": victim.pk})
    assert listed.context["cl"].result_count == 1


def test_lists_when_registered_then_all_use_the_panels_base_class():
    assert [model for model, model_admin in site._registry.items() if not isinstance(model_admin, ModelAdmin)] == []
