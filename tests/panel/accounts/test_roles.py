"""Roles of staff: every page and action of the admin for each role, and what is logged."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_migrate
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import timezone

from billing.wallets import wallet_of
from catalog.models import (
    CatalogChange,
    CustomerGroup,
    CustomerPrice,
    GroupMember,
    PriceChange,
    Provider,
    ProviderWord,
    SyncRun,
    TypeWord,
)
from catalog.pauses import PauseKind, pause_provider
from catalog.prices.changes import apply_change, draft_change
from catalog.prices.edits import Edit
from catalog.prices.storage import price_policy
from orders.models import MoneyDay, Order, OrderInReview, Orphan, SendingStop
from orders.states import ReviewReason, StopReason
from panel.accounts.models import SignIn, User
from panel.accounts.roles import MANAGER, OWNER, ROLES, SUPPORT, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.api.keys.services import make_key
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


OURS = ("accounts", "ops", "site", "catalog", "billing", "orders")


def named(text: str) -> frozenset[str]:
    """Return page names: "billing_wallet: change history" is billing_wallet_change and billing_wallet_history."""
    lines = [line.partition(":") for line in text.strip().splitlines()]
    return frozenset(f"{model.strip()}_{word}" for model, _, words in lines for word in words.split())


SUPPORT_PAGES = named("""
    accounts_apikey: changelist change history open_orders revoke
    accounts_user: changelist change history open_wallet open_api_keys send_password_link
    billing_deposit: changelist change history
    billing_entry: changelist change history
    billing_wallet: changelist change history of_customer
    ops_alert: changelist change history
    orders_dripfeed: changelist change history stop
    orders_order: changelist change history decide cancel_one cancel_selected give_back end dismiss
    orders_orderinreview: changelist change history cancel_selected
    orders_sendingstop: changelist change history
""")
MANAGER_PAGES = SUPPORT_PAGES | named("""
    catalog_catalogchange: changelist change history accept accept_on_sale refills
    catalog_category: changelist add change delete history
    catalog_customergroup: changelist add change delete history change_discount add_member
    catalog_customerprice: changelist add change delete history
    catalog_groupmember: changelist add change delete history
    catalog_pricechange: changelist change history preview undo
    catalog_pricepolicy: changelist change history
    catalog_provider: changelist change history import_now resume stop_sending test_connection
    catalog_service: changelist change history export import
    catalog_syncrun: changelist change history progress again
    orders_moneyday: changelist export
    orders_order: profit
    orders_orderinreview: profit
    orders_sendingstop: stop_panel resume
""")
OWNER_PAGES = MANAGER_PAGES | named("""
    accounts_signin: changelist change history
    accounts_user: add change_address invite_again withdraw_invitation
    admin_logentry: changelist change history
    billing_deposit: approve refuse
    billing_paymentmethod: changelist add change delete history
    billing_wallet: move_money
    catalog_provider: add test_dialect
    catalog_providerword: changelist change history export_words import_words
    catalog_typeword: changelist change history
    ops_alert: trust_clock
    orders_after: restore
    orders_orphan: changelist change history adopt write_off
""")
PAGES = {OWNER: OWNER_PAGES, MANAGER: MANAGER_PAGES, SUPPORT: SUPPORT_PAGES}

SUPPORT_ACTIONS = named("""
    orders.Order: cancel_many
    orders.OrderInReview: cancel_many
""")
MANAGER_ACTIONS = SUPPORT_ACTIONS | named("""
    catalog.CatalogChange: accept_selected accept_selected_on_sale
    catalog.Category: arrange_by_name arrange_by_price
    catalog.CustomerGroup: delete_selected
    catalog.CustomerPrice: delete_selected
    catalog.GroupMember: delete_selected
    catalog.Provider: import_services
    catalog.Service: put_on_sale take_off_sale move set_margin inherit_margin export_selected
    catalog.Service: set_link_kind let_links_wait let_links_run
    ops.Alert: resolve
""")
OWNER_ACTIONS = MANAGER_ACTIONS | named("""
    billing.PaymentMethod: delete_selected
""")
ACTIONS = {OWNER: OWNER_ACTIONS, MANAGER: MANAGER_ACTIONS, SUPPORT: SUPPORT_ACTIONS}


def with_role(role: str, email: str = "") -> User:
    user = make.customer(email or f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    return user


def signed_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def applied_change() -> PriceChange:
    edits = [Edit("panel", (1,), {"margin_bp": 5_000})]
    change = draft_change(edits=edits, source="panel", summary="More", actor=None)
    apply_change(change=change, seen=None, actor=None)
    return change


@pytest.fixture
def shop(customer: User, provider: Provider) -> dict[str, Any]:
    """Create one of everything, in a state in which every action is offered to those who may take it."""
    service = make.service(provider)
    order = make.accepted_order(customer, service, quantity=1_000)
    Order.objects.filter(pk=order.pk).update(
        review_reason=ReviewReason.CONTRADICTION, review_note="x", review_since=timezone.now()
    )
    pause_provider(provider=provider, kind=PauseKind.FUNDS, text="our balance there is used up")
    group = CustomerGroup.objects.create(name="Friends", discount_bp=500)
    run = SyncRun.objects.create(
        provider=provider, outcome=SyncRun.Outcome.REFUSED, reason="The list is empty.", phase=SyncRun.Phase.DONE
    )
    objects = (
        customer,
        make_key(customer=customer, name="Shop").key,
        SignIn.objects.create(user=customer, outcome=SignIn.Outcome.SIGNED_IN),
        provider,
        service,
        service.category,
        order,
        OrderInReview.objects.get(),
        price_policy(),
        group,
        GroupMember.objects.create(customer=customer, group=group),
        CustomerPrice.objects.create(customer=customer, service=service, price=3_000_000),
        SendingStop.objects.create(reason=StopReason.STAFF, text="Too many complaints."),
        applied_change(),
        CatalogChange.objects.create(
            provider=provider, upstream=service.upstream, service=service, topic="rate", kind="rate_up"
        ),
        run,
        TypeWord.objects.create(provider=provider, word="likes"),
        ProviderWord.objects.create(provider=provider, about="add", text="blarg"),
        wallet_of(customer=customer),
        wallet_of(customer=customer).entries.first(),
        make.drip(customer, service),
        MoneyDay.objects.create(provider=provider, day=timezone.localdate(), currency="USD", opening=1, closing=1),
        Orphan.objects.create(provider=provider, upstream_id="9009"),
        make.payment_method(),
        make.pending_deposit(customer),
        Alert.objects.get(),
        LogEntry.objects.log_actions(str(customer.pk), [group], 2, "Changed.", single_object=True),
        EmailAddress.objects.create(user=customer, email=customer.email),
        Authenticator.objects.create(user=customer, type="totp", data={}),
    )
    # A price change has a preview as a draft, and an undo once applied.
    edits = [Edit("panel", (1,), {"margin_bp": 7_000})]
    draft = draft_change(edits=edits, source="panel", summary="Still more", actor=None)
    invited = make.invited("invited@example.org")
    raise_alert(cause=Cause.CLOCK_JUMP, text="The clock jumped.")
    special = {
        "ops_alert_trust_clock": Alert.objects.get(cause=Cause.CLOCK_JUMP),
        "billing_wallet_of_customer": customer,
        "catalog_pricechange_preview": draft,
        "accounts_user_invite_again": invited,
        "accounts_user_withdraw_invitation": invited,
    }
    return {**special, **{obj._meta.label: obj for obj in objects}}


def pages(shop: dict[str, Any]) -> dict[str, str]:
    """Return the address of every admin page by name, for the objects of the shop."""
    found: dict[str, str] = {}
    for model, model_admin in site._registry.items():
        for pattern in model_admin.get_urls():
            assert isinstance(pattern, URLPattern)
            if not pattern.name:
                continue  # Only redirects to the page of the change.
            pk = shop.get(pattern.name, shop[model._meta.label]).pk
            found[pattern.name] = reverse(f"admin:{pattern.name}", kwargs=dict.fromkeys(pattern.pattern.converters, pk))
    return found


def everything() -> dict[str, list[Any]]:
    """Return all rows of our apps, the groups, and the log."""
    ours = [model for label in (*OURS, "admin", "auth") for model in apps.get_app_config(label).get_models()]
    ours += [User.groups.through, Group.permissions.through, User.user_permissions.through]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in ours}


def opened(client: Client, shop: dict[str, Any]) -> set[str]:
    """Return the pages that open. Assert that posting to any other is refused and changes nothing."""
    found = set()
    before = everything()
    for name, address in pages(shop).items():
        seen = client.get(address, follow=True)
        if seen.status_code == 200:
            found.add(name)
            continue
        with transaction.atomic():
            answer, written = sent(client, address, {"post": "yes", "choice": "refund"})
            if answer.status_code == 200:
                transaction.set_rollback(True)
        if answer.status_code == 200:
            found.add(name)  # Accepts POST only.
            continue
        assert {seen.status_code, answer.status_code} & {403, 404}, name
        assert not written, (name, written)
    assert everything() == before
    return found


def sent(client: Client, address: str, data: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return the answer, and the statements that wrote anything but the session."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.post(address, data, follow=True)
    writes = [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    return answer, [sql for sql in writes if "django_session" not in sql]


@pytest.mark.once  # Depends on permissions and addresses only.
@pytest.mark.parametrize("role", ROLES)
def test_pages_when_staff_have_a_role_then_only_its_pages_open(role, shop):
    assert opened(signed_in_as(with_role(role)), shop) == PAGES[role]


@pytest.mark.parametrize("role", ROLES)
def test_bulk_actions_when_not_in_the_role_then_they_do_nothing(role, shop):
    user = with_role(role)
    client = signed_in_as(user)
    request = RequestFactory().get("/")
    request.user = user
    offered = set()
    for model, model_admin in site._registry.items():
        label = model._meta.label
        may_see = model_admin.has_view_permission(request)
        here = set(model_admin.get_actions(request)) if may_see else set()
        offered |= {f"{label}_{name}" for name in here}
        for name in {name for _, name, _ in model_admin._get_base_actions()} - here:
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            data = {"action": name, "_selected_action": [shop[label].pk], "post": "yes"}
            assert sent(client, address, data)[1] == [], (label, name)
    assert offered == ACTIONS[role]


@pytest.mark.once  # Depends on permissions and addresses only.
def test_pages_when_staff_have_no_role_then_the_admin_is_empty(shop):
    user = make.customer("new@example.org")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = signed_in_as(user)
    assert opened(client, shop) == set()
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    text = page.content.decode()
    assert "Customers hold" not in text
    assert shop["catalog.Provider"].name not in text


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


# -- money that not everybody sees -------------------------------------------------------------------


def test_profit_when_staff_are_support_then_no_order_page_shows_it(shop):
    order = shop["orders.Order"]
    shown = {}
    for role in (MANAGER, SUPPORT):
        client = signed_in_as(with_role(role))
        names = ("admin:orders_order_changelist", "admin:orders_order_change", "admin:index")
        found = [client.get(reverse(name, args=[order.pk] if name[-7:] == "_change" else [])) for name in names]
        shown[role] = [
            [word for word in ("Profit", "Expected cost", "Cost returned") if word in page.content.decode()]
            for page in found
        ]
    assert shown[MANAGER] == [["Profit"], ["Profit", "Expected cost", "Cost returned"], ["Profit"]]
    assert shown[SUPPORT] == [[], [], []]


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
    page = client.get(reverse("admin:admin_logentry_changelist"), filters)
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
