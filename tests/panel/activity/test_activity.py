"""The activity: who did what, from where, before and after; nobody deletes it, and owners filter and export it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from billing.models import Entry
from catalog.models import Category, CustomerGroup, PriceChange
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, set_up_roles
from panel.activity import append_only
from panel.activity.models import ActivityDetail
from panel.activity.origin import current_origin
from panel.activity.record import HIDDEN, REPLACED, Change, differences, record
from panel.api.keys.services import make_key
from panel.ops.activity import shown_value
from panel.ops.invariants import find_breaches
from panel.site.services import Wanted, change_settings
from tests import make
from tests.admin_calls import action_address, do_to_many

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:activity_act_changelist")
EXPORT = reverse("admin:activity_act_export")


WHY = {"why": "other", "why_note": "A test."}


def latest() -> tuple[LogEntry, list[dict[str, Any]]]:
    entry = LogEntry.objects.select_related("detail").latest("pk")
    return entry, entry.detail.changes


def change(column: str, before: Any, after: Any) -> dict[str, Any]:
    return {"column": column, "before": before, "after": after}


def with_role(role: str) -> User:
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# -- what is written ---------------------------------------------------------------------------------


def test_form_when_saved_then_before_after_and_origin_are_kept(staff, staff_client, customer):
    page = reverse("admin:accounts_user_change", args=[customer.pk])
    staff_client.post(
        page,
        {"email": customer.email, "first_name": "Al", "is_active": "on"},
        REMOTE_ADDR="192.0.2.9",
        headers={"user-agent": "Browser/1.0\n" + "x" * 300},
    )
    entry, changes = latest()
    assert (entry.user, entry.object_id, changes) == (staff, str(customer.pk), [change("first_name", "", "Al")])
    assert (entry.detail.address, entry.detail.agent[:12], len(entry.detail.agent)) == (
        "192.0.2.9",
        "Browser/1.0x",
        200,
    )


@pytest.mark.parametrize(("proxies", "address"), [(0, "192.0.2.9"), (1, "198.51.100.7")])
def test_address_when_behind_a_proxy_then_only_a_trusted_one_is_believed(
    staff_client, customer, settings, proxies, address
):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    page = reverse("admin:accounts_user_change", args=[customer.pk])
    data = {"email": customer.email, "first_name": "Al", "is_active": "on"}
    staff_client.post(page, data, REMOTE_ADDR="192.0.2.9", headers={"x-forwarded-for": "203.0.113.1, 198.51.100.7"})
    assert latest()[0].detail.address == address


def test_origin_when_no_request_is_answered_then_unknown(staff, customer):
    assert current_origin() == (None, "")
    record(actor_id=staff.pk, objects=[customer], message="By a command.")
    assert (latest()[0].detail.address, latest()[1]) == (None, [])


def test_row_when_added_and_deleted_then_its_values_are_kept(staff_client):
    staff_client.post(reverse("admin:catalog_customergroup_add"), {"name": "Friends", "discount_bp": "5"})
    entry, changes = latest()
    assert (entry.action_flag, change("name", None, "Friends") in changes) == (ADDITION, True)
    group = CustomerGroup.objects.get()
    staff_client.post(reverse("admin:catalog_customergroup_delete", args=[group.pk]), {"post": "yes"})
    entry, changes = latest()
    assert (entry.action_flag, change("discount_bp", 500, None) in changes) == (DELETION, True)


def test_deposit_when_approved_then_its_row_before_and_after_is_kept(staff, staff_client, customer):
    deposit = make.pending_deposit(customer)
    data = {"credited": "90", "seen": "pending", **WHY}
    staff_client.post(action_address("billing.deposit", deposit.pk, "approve"), data)
    changes = {one["column"]: (one["before"], one["after"]) for one in latest()[1]}
    assert changes["state"] == ("pending", "approved")
    assert (changes["credited"], changes["decided_by_id"]) == ((None, 90_000_000), (None, staff.pk))


def test_deposit_when_the_entry_cannot_be_written_then_nothing_is_credited(staff_client, customer, monkeypatch):
    """The act and its trace are one transaction."""
    deposit = make.pending_deposit(customer)

    def fail(**values: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("panel.lib.admin.base.record", fail)
    with pytest.raises(RuntimeError):
        staff_client.post(
            action_address("billing.deposit", deposit.pk, "approve"), {"credited": "90", "seen": "pending", **WHY}
        )
    deposit.refresh_from_db()
    assert (deposit.state, Entry.objects.filter(memo__contains="Deposit", amount=90_000_000).exists()) == (
        "pending",
        False,
    )


def test_key_when_revoked_by_staff_then_kept_without_its_digest(staff_client, customer):
    key = make_key(customer=customer, name="Shop").key
    staff_client.post(action_address("accounts.apikey", key.pk, "revoke"), {"seen": "in use"})
    assert [one["column"] for one in latest()[1]] == ["revoked_at"]


def test_setting_when_changed_then_old_and_new_are_kept(staff):
    change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Ours", 0)})
    assert latest()[1] == [change("Name", "default (Upmark)", "Ours")]


def test_prices_when_imported_from_a_file_then_each_margin_is_kept(staff, staff_client, service):
    file = io.BytesIO(f"id,name,margin percent\n{service.pk},{service.name},60\n".encode())
    file.name = "prices.csv"
    preview = staff_client.post(reverse("admin:catalog_service_import"), {"file": file}, follow=True)
    seen = preview.context["preview"].fingerprint
    staff_client.post(preview.redirect_chain[-1][0], {"seen": seen})
    assert PriceChange.objects.get().state == "applied"
    assert latest()[1] == [change(f"margin of {service}", "inherited", "60%")]


def test_orders_when_canceled_in_bulk_then_each_is_in_the_activity(staff_client, customer, service):
    orders = [make.order(customer, service) for _ in range(2)]
    do_to_many(staff_client, "cancel", orders, **WHY)
    entries = LogEntry.objects.filter(object_id__in=[order.pk for order in orders]).select_related("detail")
    assert [one.detail.changes for one in entries] == [[change("refunded", None, 250_000)]] * 2


@pytest.mark.once
def test_secrets_when_they_change_then_only_that_is_kept(staff, customer):
    found = differences({"password": "a", "name": "x"}, {"password": "b", "name": "x"})
    assert found == [Change("password", "a", "b")]
    record(actor_id=staff.pk, objects=[customer], changes=[*found, Change("api_key", None, "k-77")])
    assert latest()[1] == [change("password", HIDDEN, REPLACED), change("api_key", None, HIDDEN)]


# -- it stays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", append_only.TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {}"])
def test_activity_when_written_to_in_sql_then_the_database_refuses(staff, customer, table, statement):
    record(actor_id=staff.pk, objects=[customer], message="Done.")
    column = "change_message = ''" if table == "django_admin_log" else "agent = 'x'"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column))
    assert LogEntry.objects.filter(change_message="Done.").count() == ActivityDetail.objects.count() == 1


@pytest.mark.parametrize("place", range(len(append_only.REMOVE[connection.vendor])))
def test_books_when_a_trigger_of_the_activity_is_missing_then_a_breach(place):
    with connection.cursor() as cursor:
        cursor.execute(append_only.REMOVE[connection.vendor][place])
    if "truncate" in append_only.REMOVE[connection.vendor][place]:
        return
    assert "what people did is append-only" in [breach.invariant for breach in find_breaches()]


def test_activity_when_a_superuser_deletes_then_there_is_no_way(staff, staff_client, customer):
    record(actor_id=staff.pk, objects=[customer], message="Done.")
    entry = LogEntry.objects.get()
    assert staff_client.post(reverse("admin:activity_act_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    staff_client.post(PAGE, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert LogEntry.objects.get() == entry


# -- the page ----------------------------------------------------------------------------------------


@pytest.fixture
def acts(customer):
    """An entry of each of two people, and one from before there were details."""
    owner, manager = with_role(OWNER), with_role(MANAGER)
    category = Category.objects.create(name="=Social")
    record(
        actor_id=owner.pk, objects=[customer], message="By the owner.", changes=[Change("credited", None, 90_000_000)]
    )
    record(actor_id=manager.pk, objects=[category], message="By the manager.", changes=[Change("margin_bp", 2_500, 0)])
    LogEntry.objects.log_actions(str(manager.pk), [customer], 2, "Long ago.")
    return owner, manager


def test_page_when_filtered_then_by_person_kind_object_and_day(acts, customer):
    owner, manager = acts
    client = signed_in(owner)

    def found(**filters: Any) -> set[str]:
        text = client.get(PAGE, filters).content.decode()
        return {words for words in ("By the owner.", "By the manager.", "Long ago.") if words in text}

    assert found() == {"By the owner.", "By the manager.", "Long ago."}
    assert found(who=manager.pk) == {"By the manager.", "Long ago."}
    kind = LogEntry.objects.get(change_message="By the manager.").content_type_id
    assert found(kind=kind) == {"By the manager."}
    assert found(q="Social") == {"By the manager."}
    assert found(action_time__gte="2100-01-01") == set()
    text = client.get(PAGE).content.decode()
    assert "credited: — → $90.00" in text
    assert "margin: 25% → 0%" in text


def test_entry_when_opened_then_a_table_shows_before_and_after(acts):
    entry = LogEntry.objects.get(change_message="By the owner.")
    text = signed_in(acts[0]).get(reverse("admin:activity_act_change", args=[entry.pk])).content.decode()
    assert "$90.00" in text
    assert "Before and after" in text


def test_export_when_filtered_then_those_rows_and_no_formulas(acts):
    answer = signed_in(acts[0]).get(EXPORT, {"who": acts[1].pk})
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows[0][:3] == ["when", "who", "from"]
    assert [row[8] for row in rows[1:]] == ["Long ago.", "By the manager."]
    assert (rows[2][7], rows[2][9]) == ("'=Social", "margin: 25% → 0%")


def test_export_when_there_are_more_than_a_chunk_then_each_once(acts, customer, monkeypatch):
    monkeypatch.setattr("panel.ops.activity.CHUNK", 2)
    answer = signed_in(acts[0]).get(EXPORT)
    assert len(b"".join(answer.streaming_content).splitlines()) == 4


def test_page_when_the_person_is_a_manager_then_closed(acts):
    client = signed_in(acts[1])
    assert (client.get(PAGE).status_code, client.get(EXPORT).status_code) == (403, 403)


@pytest.mark.once
@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("charge", 2_500_000, "$2.50"),
        ("exchange_rate", 10**6, "0.000001"),
        ("minimum_margin_bp", 250, "2.5%"),
        ("quantity", 1_000, "1000"),
        ("is_active", False, "no"),
        ("groups", ["Owner", "Support"], "Owner, Support"),
        ("name", None, "—"),
    ],
)
def test_value_when_shown_then_as_people_read_it(column, value, text):
    assert shown_value(column, value) == text
