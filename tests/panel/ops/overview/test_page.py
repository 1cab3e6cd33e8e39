"""The first page: the table of providers, what needs whom, who may see what, and how often it asks the database."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.models import PaymentMethod
from catalog.models import Provider, ProviderFigures
from catalog.pauses import PauseKind, pause_provider
from orders.common.stops import stop_sending
from orders.models import ProviderMoney, SendingStop
from orders.states import StopReason
from panel.accounts.mails import send_account_mails
from panel.accounts.models import AccountMail
from panel.accounts.roles import MANAGER, SUPPORT, set_up_roles
from panel.alerts.models import Heartbeat, Process
from panel.alerts.services import record_heartbeat
from panel.channels.models import Channel
from panel.lib import clock
from panel.ops.overview.needs import Need, needs_of
from panel.ops.overview.picture import read_picture
from panel.ops.overview.providers import Row, provider_rows
from panel.ops.overview.states import Colour
from panel.ops.watch.presence import arrive
from tests import make
from tests.panel.ops.overview.test_facts import money_at
from tests.panel.routes.shop import with_role

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:index")


def rows(user: Any) -> list[Row]:
    return provider_rows(read_picture(user.has_perm), user)


def text_for(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.get(PAGE).content.decode()


def found_needs(*hidden: str) -> list[str]:
    return [one.text for one in needs_of(read_picture(lambda name: name not in hidden))]


def pause(provider: Provider, kind: PauseKind = PauseKind.FUNDS, text: str = "our balance of $0.27 is too low") -> None:
    pause_provider(provider=provider, kind=kind, text=text)


# -- providers -----------------------------------------------------------------------------------------


def test_row_when_the_provider_runs_then_its_balance_and_how_long_it_lasts(well, staff, provider):
    Provider.objects.update(balance=21_000_000, created_at=timezone.now() - timedelta(days=30))
    ProviderFigures.objects.create(provider=provider, spent=14_000_000)
    [row] = rows(staff)
    assert (row.state.colour, row.state.word, row.balance, row.runway) == (
        Colour.FINE,
        "Takes orders",
        "$21.00",
        "10 days",
    )
    assert (row.resume, row.unexplained) == ("", "")
    Provider.objects.update(balance=1_000_000)
    [row] = rows(staff)
    assert (row.state.colour, row.state.word, row.runway) == (Colour.LOOK, "Money is short", "under a day")


def test_row_when_paused_then_why_when_it_is_tried_and_resume(well, staff, staff_client, provider, monkeypatch):
    moment = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    pause(provider)
    [row] = rows(staff)
    assert (row.state.word, row.why, row.state.next_try) == (
        "Paused",
        "our balance of $0.27 is too low",
        "Next try in 1 min.",
    )
    Provider.objects.update(paused_until=moment + timedelta(seconds=42))
    assert rows(staff)[0].state.next_try == "Next try in 42 s."
    Provider.objects.update(paused_until=moment)
    assert rows(staff)[0].state.next_try == "The next order is tried."
    assert staff_client.get(row.resume).status_code == 200
    assert (
        staff_client.post(row.resume, {"seen": staff_client.get(row.resume).context.get("seen", "")}).status_code == 302
    )
    assert rows(staff)[0].state.word == "Takes orders"


def test_row_when_stopped_then_resume_for_those_who_may(well, staff, provider):
    set_up_roles()
    manager = with_role(MANAGER)
    stop_sending(reason=StopReason.STAFF, text="Wait.", provider_id=provider.pk)
    stop = SendingStop.objects.get()
    [row] = rows(manager)
    assert (row.state.word, row.why, row.state.next_try) == (
        "Stopped",
        "Stopped by staff.",
        "Waits until somebody resumes it.",
    )
    assert row.resume == reverse("admin:orders_sendingstop_resume", args=[stop.pk])
    # What the panel stopped by itself is the owner's to resume, and what follows a restore has a page of its own.
    SendingStop.objects.update(reason=StopReason.BALANCE)
    assert (rows(manager)[0].resume, rows(staff)[0].resume) == ("", row.resume)
    SendingStop.objects.update(reason=StopReason.RESTORED)
    assert (rows(manager)[0].resume, rows(staff)[0].resume) == ("", reverse("admin:orders_after_restore"))
    SendingStop.objects.update(reason=StopReason.SPENDING, until=timezone.now() + timedelta(hours=2, minutes=1))
    assert rows(staff)[0].state.next_try == "Ends by itself in 2 h."


def test_rows_when_some_are_in_trouble_then_these_first_and_inactive_ones_not(well, staff, provider):
    bad = make.provider(name="Zed", api_key="z")
    make.provider(name="Off", api_key="o", is_active=False)
    pause(bad)
    assert [row.provider.name for row in rows(staff)] == ["Zed", "Upstream"]


def test_page_when_spending_is_unexplained_then_it_leads_to_the_money(well, staff, provider):
    money_at(provider, -4_120_000)
    page = text_for(staff)
    assert f'{reverse("admin:orders_moneyday_changelist")}?provider={provider.pk}"><bdi>$4.12</bdi>' in page


# -- what needs me -------------------------------------------------------------------------------------


def test_needs_when_all_is_set_up_then_none(well):
    assert found_needs() == []


def test_needs_when_no_worker_runs_then_start_one(well):
    Process.objects.all().delete()
    assert found_needs() == ["Start a worker"]
    assert found_needs("site.change_money_settings") == []


def test_needs_when_channels_fail_then_since_when(well):
    Channel.objects.update(failing_since=timezone.now() - timedelta(hours=2))
    [need] = needs_of(read_picture(lambda name: True))
    assert (need.text, need.why) == ("Mend the channel that fails", "For 2 h a channel has not reached you.")
    assert need.url == reverse("admin:channels_channel_changelist")
    assert found_needs("channels.change_channel") == []


def test_needs_when_nothing_was_ever_set_up_then_each_for_those_who_can_mend_it(db):
    arrive(Process.Kind.WORKER)
    expected = {
        "Connect the first provider": "catalog.add_provider",
        "Offer a way to pay": "billing.add_paymentmethod",
        "Add a channel that tells you": "channels.add_channel",
        "Set up mail": "channels.add_channel",
        "Make a backup": "site.change_money_settings",
    }
    assert found_needs() == list(expected)
    for text, permission in expected.items():
        assert text not in found_needs(permission)


def test_needs_when_a_way_to_pay_is_not_offered_then_missing(well):
    PaymentMethod.objects.update(is_active=False)
    assert found_needs() == ["Offer a way to pay"]
    PaymentMethod.objects.update(is_active=True, kind="removed")
    assert found_needs() == ["Offer a way to pay"]


def test_needs_when_no_channel_reached_anybody_then_said(well):
    Channel.objects.update(reached_at=None)
    assert found_needs() == ["Prove a channel that tells you"]
    Channel.objects.update(reached_at=timezone.now(), is_active=False)
    assert found_needs() == ["Prove a channel that tells you"]


def test_needs_when_mail_has_a_server_then_one_that_left_proves_it(well):
    Heartbeat.objects.filter(task="mail").delete()
    assert found_needs() == ["Prove the mail server"]
    Channel.objects.create(name="Mail", kind=Channel.Kind.MAIL, reached_at=timezone.now())
    assert found_needs() == []


def test_mails_when_they_leave_through_a_server_then_it_is_proven(well, staff, monkeypatch):
    proof = Heartbeat.objects.filter(task="mail")
    for is_set_up in (False, True):
        proof.delete()
        monkeypatch.setattr("panel.site.mail_setup.is_mail_set_up", lambda answer=is_set_up: answer)
        AccountMail.objects.create(user=staff, kind="notice", recipient=staff.email, subject="New", body="New.")
        assert send_account_mails() == 1
        assert proof.exists() == is_set_up  # A mail that is printed in the log proves nothing.


def test_needs_when_the_last_backup_is_old_then_said_with_its_age(well):
    record_heartbeat(task="backup", at=timezone.now() - timedelta(hours=25))
    assert found_needs() == []
    record_heartbeat(task="backup", at=timezone.now() - timedelta(days=3))
    picture = read_picture(lambda name: True)
    assert needs_of(picture) == [Need("Make a backup", "The last one was made 3 days ago; the bound is 1 day.")]


def test_page_when_needs_and_items_then_broken_ones_items_and_what_is_missing(well, staff, provider):
    PaymentMethod.objects.update(is_active=False)
    Process.objects.all().delete()
    pause(provider)
    page = text_for(staff)
    item = page.index(reverse("needs_you_item", args=["provider", provider.pk]))
    assert page.index("Start a worker") < item < page.index("Offer a way to pay") < page.index("provider is paused</a>")


def test_page_when_all_is_well_then_nothing_needs_me(well, staff):
    page = text_for(staff)
    assert "Nothing waits for you, and nothing is missing." in page
    assert page.count('class="fact is-fine"') == 4
    assert 'class="verdict is-fine"' in page


# -- who sees what -------------------------------------------------------------------------------------


def test_page_when_support_opens_it_then_no_provider_cost_or_need_of_owners(well, provider):
    set_up_roles()
    PaymentMethod.objects.all().delete()
    Heartbeat.objects.filter(task="backup").delete()
    Provider.objects.update(balance=987_654_321)
    money_at(provider, -4_120_000)
    pause(provider)
    page = text_for(with_role(SUPPORT))
    for hidden in ("Upstream", "$987.65", "4.12", "0.27", "Offer a way", "Make a backup", "You are told", "Resume"):
        assert hidden not in page, hidden
    assert "The only provider takes no orders" in page
    seen = text_for(with_role(MANAGER))
    for shown in ("Upstream", "$987.65", "4.12", "0.27", "Resume"):
        assert shown in seen, shown
    assert "Offer a way" not in seen


def test_page_when_someone_sees_providers_but_no_costs_then_no_reason_of_a_pause(well, customer, provider):
    Provider.objects.update(balance=987_654_321)
    pause(provider)
    customer.is_staff = True
    customer.save()
    customer.user_permissions.add(Permission.objects.get(codename="view_provider"))
    page = text_for(type(customer).objects.get(pk=customer.pk))
    assert "Upstream" in page and "Paused" in page and "Next try" in page
    assert "0.27" not in page and "987" not in page and "Resume" not in page


# -- statements ----------------------------------------------------------------------------------------


def statements(client: Client) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(PAGE).status_code == 200
    return len(asked)


def test_page_when_there_are_more_providers_then_as_many_statements(well, staff_client, customer, service, provider):
    def fill(of: Provider, sold: Any, number: int) -> None:
        ProviderFigures.objects.create(provider=of, spent=number)
        make.order(customer, sold, quantity=10)
        make.accepted_order(customer, sold, quantity=10, upstream_id=str(number))
        money_at(of, -number)
        stop_sending(reason=StopReason.STAFF, text="Wait.", provider_id=of.pk)

    fill(provider, service, 1)
    statements(staff_client)
    few = statements(staff_client)
    for number in range(2, 8):
        more = make.provider(name=f"Provider {number}", api_key=f"{number}")
        fill(more, make.service(more, external_id="1", name=f"Followers {number}"), number)
        Channel.objects.create(name=f"Channel {number}", kind="webhook", reached_at=clock.now())
    pause(Provider.objects.latest("pk"))
    # The items that need somebody are read kind by kind, until there are enough.
    assert statements(staff_client) <= few
    assert len(re.findall(r'<th scope="row">', staff_client.get(PAGE).content.decode())) == 7
    assert ProviderMoney.objects.count() == 7
