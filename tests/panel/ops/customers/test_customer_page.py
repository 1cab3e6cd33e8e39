"""A customer's page: the head, the tabs, notes, and the ways to what may be done."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from billing.models import OrderHold, Payment, Reversal
from panel.account_home.closing import close_account
from panel.account_home.my_data import my_data
from panel.accounts.customer_notes import NoteRefused, write_note
from panel.accounts.models import CustomerNote, User
from panel.api.keys.services import make_key
from panel.ops.customers.tabs import TABS
from tests import make, unguarded
from tests.panel.levels.conftest import spend
from tests.panel.ops.customers.test_listing import text_of

pytestmark = pytest.mark.django_db
TEXT = "Sends screenshots first."


@pytest.fixture
def alice():
    return make.customer("alice@example.org", funds="5")


@pytest.fixture
def owner(client):
    user = make.owner()
    client.force_login(user)
    return user


def page_of(client, customer, tab=""):
    return client.get(reverse(f"customer_{tab}" if tab else "customer", args=[customer.pk]))


def noted(customer, author, text=TEXT):
    write_note(customer=customer, author=author, text=text, request_key=uuid4().hex)


def test_head_when_owner_looks_then_figures_and_last_note(client, owner, alice):
    spend(alice, "40")
    noted(alice, owner)
    text = text_of(page_of(client, alice))
    for part in (
        "Balance $5.00",
        "Paid in $45.00 in 2 deposits",
        "Spent $40.00 $40.00 in 30 days",
        "Orders 0 0 open",
        TEXT,
    ):
        assert part in text


def test_page_when_orders_are_held_then_says_so_with_the_reversal(client, owner, alice):
    deposit = make.pending_deposit(alice)
    payment = Payment.objects.create(
        method=deposit.method, external_id="x", deposit=deposit, currency="USD", came_in=1, state="held", hold="gateway"
    )
    reversal = Reversal.objects.create(payment=payment, amount=1, holds_orders=True)
    unguarded.wallets().filter(customer=alice).update(order_hold=OrderHold.HELD)
    text = text_of(page_of(client, alice))
    assert f"Orders are held, since a payment was taken back. {reversal}" in text


@pytest.mark.parametrize("tab", [tab.key for tab in TABS])
def test_tab_when_customer_has_everything_then_shown(client, owner, alice, tab):
    make.order(alice, make.service(make.provider()))
    make.pending_deposit(alice)
    key = make_key(customer=alice, name="Shop")
    noted(alice, owner)
    response = page_of(client, alice, tab)
    assert response.context["page"].rows or tab == "prices"
    assert key.secret not in response.content.decode()
    assert key.key.digest not in response.content.decode()


def test_tabs_when_support_looks_then_only_allowed_ones(client, alice):
    client.force_login(make.staff_member("Support"))
    shown = [tab.key for tab in page_of(client, alice).context["tabs"]]
    assert shown == ["orders", "transactions", "payments", "keys", "notes"]
    assert page_of(client, alice, "activity").status_code == 403


# -- notes -------------------------------------------------------------------------------------------------


def test_note_when_sent_twice_then_written_once_and_logged(client, owner, alice):
    data = {"text": TEXT, "request_key": uuid4().hex}
    for _ in range(2):
        assert client.post(reverse("customer_notes", args=[alice.pk]), data).status_code == 302
    note = CustomerNote.objects.get()
    assert (note.text, note.author) == (TEXT, owner)
    entry = LogEntry.objects.get(object_id=str(alice.pk), content_type__model="user")
    assert entry.get_change_message() == f"Note {note.pk} was written."


def test_note_when_empty_then_the_form_says_so(client, owner, alice):
    response = client.post(reverse("customer_notes", args=[alice.pk]), {"text": " ", "request_key": uuid4().hex})
    assert "This field is required" in text_of(response)
    assert not CustomerNote.objects.exists()


def test_notes_when_customer_downloads_their_data_then_not_in_it(owner, alice):
    noted(alice, owner)
    assert TEXT not in "".join(my_data(alice))


def test_notes_when_account_is_closed_then_gone_and_refused(owner, alice):
    noted(alice, owner)
    close_account(customer=User.objects.get(pk=alice.pk), gives_up=make.wallet(alice).balance)
    assert not CustomerNote.objects.exists()
    with pytest.raises(NoteRefused):
        noted(alice, owner)


# -- actions -------------------------------------------------------------------------------------------------


def actions(client, customer):
    return {action.label: action.url for action in page_of(client, customer).context["actions"]}


def test_actions_when_roles_differ_then_those_they_may(client, alice):
    client.force_login(make.staff_member("Support"))
    assert list(actions(client, alice)) == ["View as customer…", "Send password link…", "Block…", "Account"]
    client.force_login(make.owner())
    owners = ["Add money…", "Add to group…", "View as customer…", "Send password link…", "Block…", "Account"]
    assert list(actions(client, alice)) == owners


def test_actions_when_opened_then_each_form_is_there(client, owner, alice):
    for address in actions(client, alice).values():
        assert client.get(address).status_code == 200, address


def test_money_when_added_then_leads_back_to_the_customer(client, owner, alice):
    address = actions(client, alice)["Add money…"]
    data = {
        "amount": "3",
        "kind": "bonus",
        "reason": "Sorry",
        "request_key": uuid4().hex,
        "why": "other",
        "why_note": "Complaint 7",
    }
    response = client.post(address, data)
    assert response["Location"] == reverse("customer", args=[alice.pk])


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x()"])
def test_way_back_when_it_leads_elsewhere_then_the_objects_page(client, owner, alice, wanted):
    address = reverse("admin:accounts_user_block", args=[alice.pk])
    response = client.post(f"{address}?next={wanted}", {"reason": "No", "seen": f"{alice.email}:True:"})
    assert response["Location"] == reverse("admin:accounts_user_change", args=[alice.pk])
