"""The page after a restore, from the first finding to the resumed provider, and the orphans in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from orders.common.stops import open_stops, stop_sending
from orders.marks import guard
from orders.models import DatabaseIdentity, Order, Orphan, SendingStop
from orders.states import StopReason, Submission
from panel.sandbox.server import SandboxServer
from tests import make
from tests.admin_calls import WHY, action_address
from tests.scenes import fresh, nothing_changes, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

PAGE = "/admin/orders/orphan/after-restore/"


def post(client: Client, choice: str, **data: Any) -> Any:
    return client.post(PAGE, {"choice": choice, **data}, follow=True)


def card_of(page: Any, choice: str) -> Any:
    [part] = page.context["parts"]
    return next(card for card in part.cards if card.choice == choice)


def choose(client: Client, choice: str, **data: Any) -> Any:
    """Post the choice with the orders that its card showed."""
    card = card_of(client.get(PAGE), choice)
    return post(client, choice, stop=card.stop.pk, orders=card.seen, **data)


def test_page_when_nothing_was_restored_then_says_so(staff_client: Client) -> None:
    assert reverse("admin:orders_after_restore") == PAGE
    assert b"No restore waits for a decision" in staff_client.get(PAGE).content


def test_page_when_without_the_right_then_forbidden(customer: Any) -> None:
    client = Client()
    customer.is_staff = True
    customer.save()
    client.force_login(customer)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"choice": "begin", "sure": "on"}).status_code == 403


def test_restore_when_walked_through_on_the_page_then_ends_resumed(
    staff_client: Client,
    queued: list[Order],
    upstream: SandboxServer,
    customer: Any,
    service: Any,
) -> None:
    guard.may_send()
    page = staff_client.get(PAGE)
    assert b"is not in this database" in page.content
    assert b"3 orders for" in page.content
    assert b"It is the latest database" not in page.content
    assert b"Tick this only if it is so." in post(staff_client, "begin").content
    assert b"3 orders are in doubt now" in post(staff_client, "begin", sure="on").content
    assert b"3 orphans are new" in choose(staff_client, "search").content
    assert b"2 orders bound" in choose(staff_client, "bind").content
    refund = {"note": "It was lost.", "sure": "on", **WHY}
    assert b"1 orders refunded" in choose(staff_client, "refund", **refund).content
    assert [fresh(order).submission for order in queued] == ["placed", "placed", "refused"]
    [orphan] = Orphan.objects.filter(state="open")
    adopt = action_address("orders.orphan", orphan.pk, "adopt")
    given = {"customer": customer.email, "service": service.pk, "link": "https://example.com/lost", "quantity": 77}
    assert staff_client.get(adopt).status_code == 200
    assert b"charged with" in staff_client.post(adopt, given, follow=True).content
    assert b"Orders are sent to" in choose(staff_client, "resume", sure="on").content
    assert not open_stops().exists()
    submit_now()
    assert len(upstream.orders()) == 6


def test_choice_when_posted_twice_then_the_second_is_refused(
    staff_client: Client,
    queued: list[Order],
) -> None:
    guard.may_send()
    post(staff_client, "begin", sure="on")
    with nothing_changes():
        assert b"2 orders" not in post(staff_client, "begin", sure="on").content
    stop = open_stops().get()
    post(staff_client, "resume", stop=stop.pk, sure="on")
    assert staff_client.post(PAGE, {"choice": "resume", "stop": stop.pk, "sure": "on"}).status_code == 404


@pytest.mark.parametrize("choice", ["", "nothing", "bind", "begin"])
def test_choice_when_it_does_not_fit_then_not_found(staff_client: Client, provider: Any, choice: str) -> None:
    stop = SendingStop.objects.create(provider=provider, reason=StopReason.RESTORED, text="")
    stop_id = str(stop.pk) if choice == "begin" else ""
    assert staff_client.post(PAGE, {"choice": choice, "stop": stop_id, "sure": "on"}).status_code == 404


def test_moved_panel_when_confirmed_on_the_page_then_sends(
    staff_client: Client, customer: Any, service: Any, upstream: SandboxServer, settings: Any
) -> None:
    make.order(customer, service)
    submit_now()
    DatabaseIdentity.objects.update(site_url="https://old.example.com")
    settings.SITE_URL = "https://new.example.com"
    order = make.order(customer, service, quantity=200)
    submit_now()
    assert b"belongs to https://old.example.com" in staff_client.get(PAGE).content
    assert b"Sending goes on." in post(staff_client, "latest", sure="on").content
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED


def test_provider_when_it_does_not_answer_then_the_error_is_at_the_search(
    staff_client: Client,
    queued: list[Order],
    upstream: SandboxServer,
) -> None:
    guard.may_send()
    post(staff_client, "begin", sure="on")
    upstream.close()
    assert b"The provider could not be asked" in choose(staff_client, "search").content


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"customer": "nobody@example.org"}, b"Nobody has this e-mail."),
        ({"service": 999}, b"There is no such service."),
        ({"quantity": 1}, b"Order between 10 and 10,000"),
    ],
)
def test_adoption_when_the_input_is_wrong_then_error_and_nothing_changes(
    staff_client: Client, customer: Any, service: Any, provider: Any, given: dict[str, Any], error: bytes
) -> None:
    orphan = Orphan.objects.create(provider=provider, upstream_id="5", status_text="Pending")
    address = action_address("orders.orphan", orphan.pk, "adopt")
    data = {"customer": customer.email, "service": service.pk, "link": "https://example.com", "quantity": 100, **given}
    with nothing_changes():
        assert error in staff_client.post(address, data).content
    orphan.refresh_from_db()
    assert orphan.state == Orphan.State.OPEN


def test_orphan_when_written_off_in_the_admin_then_closed(staff_client: Client, provider: Any) -> None:
    orphan = Orphan.objects.create(provider=provider, upstream_id="5", charge=2_000_000)
    address = action_address("orders.orphan", orphan.pk, "write_off")
    assert b"$2.00" in staff_client.get(address).content
    staff_client.post(address, {"note": "Ours, ordered by hand."})
    orphan.refresh_from_db()
    assert (orphan.state, orphan.note) == (Orphan.State.WRITTEN_OFF, "Ours, ordered by hand.")
    assert staff_client.get(reverse("admin:orders_orphan_changelist")).status_code == 200


@pytest.mark.parametrize("number", ["x", "9" * 30, "404"])
def test_orphan_when_its_number_is_none_then_not_found(staff_client: Client, provider: Any, number: str) -> None:
    address = action_address("orders.orphan", number, "adopt")
    assert staff_client.get(address).status_code in (403, 404)


def test_command_when_run_step_by_step_then_does_the_same(
    queued: list[Order],
    provider: Any,
    capsys: Any,
) -> None:
    guard.may_send()
    with pytest.raises(CommandError, match="not the latest"):
        call_command("after_restore", "--latest")
    call_command("after_restore", "--restored")
    assert "3 orders are in doubt now. 1 providers are stopped." in capsys.readouterr().out
    call_command("after_restore", "--search", provider.name)
    assert "2 doubts found by id, 1 not found, 0 unclear; 3 orphans open" in capsys.readouterr().out
    call_command("after_restore", "--resume", provider.name)
    assert "Sending is not stopped." in capsys.readouterr().out
    with pytest.raises(CommandError, match="No provider"):
        call_command("after_restore", "--resume", provider.name)


def test_page_when_only_a_balance_shows_it_then_offers_the_walk_through(
    staff_client: Client, customer: Any, service: Any, provider: Any
) -> None:
    order = make.order(customer, service)
    DatabaseIdentity.objects.all().delete()
    stop_sending(reason=StopReason.BALANCE, text="It has $5 too little.", provider_id=provider.pk)
    page = staff_client.get(PAGE)
    assert b"It has $5 too little." in page.content
    assert b"It is the latest database" not in page.content
    assert b"1 orders are in doubt now" in post(staff_client, "begin", sure="on").content
    assert fresh(order).submission == Submission.IN_DOUBT
    assert LogEntry.objects.filter(change_message__contains="in doubt now").exists()
