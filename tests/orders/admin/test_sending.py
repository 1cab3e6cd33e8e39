"""Stopping and resuming in the admin: who may, what is logged, and where open stops are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.common.stops import open_stops, stop_sending
from orders.models import SendingStop
from orders.states import RESTORE_STOPS, StopReason
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT, set_up_roles
from panel.alerts.models import Alert, Process
from panel.ops.watch.presence import arrive
from tests import make
from tests.admin_calls import action_address

pytestmark = pytest.mark.django_db

LIST = reverse("admin:orders_sendingstop_changelist")
STOP = f"{LIST}stop_panel/"


def client_of(role: str) -> Client:
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def stopped(reason: StopReason = StopReason.STAFF, provider: Any = None, **values: Any) -> SendingStop:
    """Stop sending and return the stop."""
    provider_id = provider.pk if provider else None
    assert stop_sending(reason=reason, text="It is $5 too low.", provider_id=provider_id, **values)
    return SendingStop.objects.latest("pk")


def resume(client: Client, stop: SendingStop, **data: str) -> Any:
    return client.post(action_address("orders.sendingstop", stop.pk, "resume"), data)


def in_force(stop: SendingStop) -> bool:
    return open_stops().filter(pk=stop.pk).exists()


def text_of(client: Client, address: str) -> str:
    return client.get(address).content.decode()


# -- stopping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [OWNER, MANAGER])
def test_panel_when_staff_stop_it_then_stopped_and_logged(role):
    client = client_of(role)
    assert "No order is sent until somebody resumes it." in text_of(client, STOP)
    assert not open_stops().exists()
    assert client.post(STOP, {"text": "Something is odd."}).url == LIST
    stop = open_stops().get()
    assert (stop.provider, stop.reason, stop.text) == (None, "staff", "Something is odd.")
    assert stop.created_by.email == f"the-{role.lower()}@example.org"
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (
        str(stop.pk),
        "Stopped sending to all providers: Something is odd.",
    )


def test_panel_when_stopped_without_a_reason_then_refused(staff_client):
    assert staff_client.post(STOP, {"text": " "}).status_code == 200
    assert not SendingStop.objects.exists()
    assert not LogEntry.objects.exists()


def test_panel_when_stopped_twice_then_refused(staff_client):
    stopped()
    answer = staff_client.post(STOP, {"text": "Me too."})
    assert "Staff have stopped it already." in answer.content.decode()
    assert SendingStop.objects.count() == 1


def test_panel_when_support_stops_it_then_forbidden(customer):
    client = client_of(SUPPORT)
    assert client.get(LIST).status_code == 200
    stop = stopped()
    assert "stop_panel" not in text_of(client, LIST)
    assert action_address("orders.sendingstop", stop.pk, "resume") not in text_of(client, LIST)
    assert resume(client, stop).status_code == 403
    SendingStop.objects.all().delete()
    assert client.post(STOP, {"text": "Stop."}).status_code == 403
    assert not SendingStop.objects.exists()


def test_provider_when_staff_stop_it_then_only_it_and_logged(provider):
    client = client_of(MANAGER)
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    address = action_address("catalog.provider", provider.pk, "stop_sending")
    assert address in text_of(client, page)
    assert client.post(address, {"text": "They answer oddly."}).url == page
    stop = open_stops().get()
    assert (stop.provider, stop.reason, stop.text) == (provider, "staff", "They answer oddly.")
    assert LogEntry.objects.get().get_change_message() == "Stopped sending to it: They answer oddly."
    # No second one is offered, and none is made.
    assert address not in text_of(client, page)
    assert client.post(address, {"text": "Again."}).status_code == 403
    assert SendingStop.objects.count() == 1


# -- resuming ----------------------------------------------------------------------------------------


def test_stop_when_made_by_staff_then_a_manager_resumes_it(customer, service):
    make.order(customer, service)
    stop = stopped(actor=customer)
    client = client_of(MANAGER)
    address = action_address("orders.sendingstop", stop.pk, "resume")
    assert address in text_of(client, LIST)
    assert "1 order waits and will be sent at once." in text_of(client, address)
    assert in_force(stop)
    assert resume(client, stop).status_code == 302
    stop.refresh_from_db()
    assert (in_force(stop), stop.ended_by.email) == (False, "the-manager@example.org")
    assert LogEntry.objects.get().get_change_message() == "Resumed sending to all providers."


GUARDS = [reason for reason in StopReason if reason not in RESTORE_STOPS and reason != StopReason.STAFF]


@pytest.mark.parametrize("reason", GUARDS)
def test_stop_when_the_panel_made_it_then_only_owners_resume(provider, reason):
    stop = stopped(reason, provider)
    manager = client_of(MANAGER)
    assert action_address("orders.sendingstop", stop.pk, "resume") not in text_of(manager, LIST)
    assert resume(manager, stop, note="Fine.").status_code == 403
    assert in_force(stop)
    owner = client_of(OWNER)
    assert resume(owner, stop).status_code == 200  # It asks what they found.
    assert in_force(stop)
    assert resume(owner, stop, note="A second program.").status_code == 302
    assert not in_force(stop)
    assert LogEntry.objects.get().get_change_message() == "Resumed sending to Upstream. Found: A second program."
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize("reason", RESTORE_STOPS)
def test_stop_when_after_a_restore_then_nobody_resumes_it_here(staff_client, reason):
    stop = stopped(reason)
    assert resume(staff_client, stop, note="It is fine.").status_code == 403
    assert in_force(stop)
    text = text_of(staff_client, LIST)
    after_restore = reverse("admin:orders_after_restore")
    assert f'href="{after_restore}">After the restore<' in text
    # The banner leads there too, but for those who may not open that page.
    assert text_of(staff_client, reverse("admin:index")).count(after_restore) >= 1
    assert after_restore not in text_of(client_of(MANAGER), reverse("admin:index"))
    assert "Nothing is sent to any provider." not in text_of(staff_client, after_restore)
    assert action_address("orders.sendingstop", stop.pk, "resume") not in text


def test_stop_when_it_has_ended_then_listed_and_not_resumed(staff_client):
    stop = stopped(StopReason.SPENDING, until=timezone.now() - timedelta(seconds=1))
    text = text_of(staff_client, LIST)
    assert "by itself" in text
    assert "Nothing is sent to any provider." not in text
    assert resume(staff_client, stop, note="x").status_code == 403


def test_stop_when_another_is_open_then_the_page_says_so(staff_client, provider):
    stop = stopped(StopReason.STAFF, provider)
    stopped(StopReason.BALANCE, provider)
    page = text_of(staff_client, action_address("orders.sendingstop", stop.pk, "resume"))
    assert "Another stop stays in force, so nothing is sent yet." in page


def test_list_when_filtered_then_open_or_ended_stops(staff_client, staff):
    first = stopped()
    resume(staff_client, first)
    second = stopped()
    for state, expected in (("open", [second]), ("ended", [first]), ("", [second, first])):
        found = staff_client.get(LIST, {"state": state} if state else {})
        assert list(found.context["cl"].result_list) == expected


def test_list_when_sending_was_never_stopped_then_says_so(staff_client):
    assert "Sending was never stopped." in text_of(staff_client, LIST)


# -- where stops are shown ---------------------------------------------------------------------------

PAGES = ("admin:index", "admin:orders_order_changelist", "admin:catalog_provider_changelist", "settings")


def test_banner_when_the_panel_is_stopped_then_on_every_page(staff_client):
    for page in PAGES:
        assert "Nothing is sent to any provider." not in text_of(staff_client, reverse(page))
    stop = stopped(StopReason.BALANCE)
    for page in PAGES:
        text = text_of(staff_client, reverse(page))
        assert text.count("Nothing is sent to any provider.") == 1
        assert "The balance is lower than our orders explain" in text
        assert reverse("admin:orders_sendingstop_change", args=[stop.pk]) in text


def test_banner_when_a_provider_is_stopped_then_on_its_page_alone(staff_client, provider):
    other = make.provider(name="Other <b>", api_key="other")
    stopped(StopReason.CURRENCY, other)
    banner = "Nothing is sent to <bdi>Other &lt;b&gt;</bdi>."
    assert banner in text_of(staff_client, reverse("admin:catalog_provider_change", args=[other.pk]))
    for page in (*map(reverse, PAGES), reverse("admin:catalog_provider_change", args=[provider.pk])):
        assert banner not in text_of(staff_client, page)


def test_banner_when_staff_may_not_see_stops_then_no_link(customer):
    stop = stopped()
    User.objects.filter(pk=customer.pk).update(is_staff=True)
    client = Client()
    client.force_login(customer)
    text = text_of(client, reverse("admin:index"))
    assert "Nothing is sent to any provider." in text
    assert reverse("admin:orders_sendingstop_change", args=[stop.pk]) not in text


def test_customers_when_the_panel_is_stopped_then_see_nothing_of_it(signed_in, customer, service):
    order = make.order(customer, service)
    stopped()
    for page in (reverse("order_list"), reverse("order_detail", args=[order.pk]), reverse("order_new")):
        text = text_of(signed_in, page)
        assert "too low" not in text
        assert "stopped" not in text.lower()


def test_provider_when_stopped_then_its_pages_do_not_say_it_runs(staff_client, provider):
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    assert "It takes orders." in text_of(staff_client, page)
    stopped(StopReason.BALANCE, provider)
    text = text_of(staff_client, page)
    assert "It takes orders." not in text
    assert "Sending to it is stopped" in text
    assert ">Stopped<" in text_of(staff_client, reverse("admin:catalog_provider_changelist"))
    arrive(Process.Kind.WORKER)
    assert "Sending: The only provider takes no orders." in text_of(staff_client, reverse("admin:index"))
