"""Deposits and payment methods in the admin."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.deposits import approve_deposit, cancel_deposit
from billing.models import Deposit, PaymentMethod
from panel.lib.admin.kept_forms import KEPT
from tests import make
from tests.admin_calls import WHY
from tests.scenes import money_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LIST = "admin:billing_deposit_changelist"


@pytest.fixture
def deposit(customer):
    make.payment_method(bonus_bp=500)
    return make.pending_deposit(customer, reference="TX <1>")


def decide(client, deposit, name, *, seen="pending", **data):
    return client.post(reverse(f"admin:billing_deposit_{name}", args=[deposit.pk]), {"seen": seen, **WHY, **data})


def test_approval_when_opened_then_the_amount_is_filled_in(staff_client, customer, deposit):
    page = staff_client.get(reverse("admin:billing_deposit_approve", args=[deposit.pk]))
    text = page.content.decode()
    assert 'value="100"' in text and "TX &lt;1&gt;" in text and "$5.00 (5%)" in text
    assert money_of(customer)[0] == 10_000_000


def test_approval_when_less_arrived_then_it_is_credited_with_bonus(staff_client, customer, deposit):
    assert decide(staff_client, deposit, "approve", credited="90", note="A fee was taken.").status_code == 302
    deposit.refresh_from_db()
    assert (deposit.credited, deposit.bonus, deposit.note) == (90_000_000, 4_500_000, "A fee was taken.")
    assert money_of(customer)[0] == 104_500_000
    assert "$90.00 + $4.50 bonus" in LogEntry.objects.get().change_message


def test_approval_when_posted_twice_then_the_second_is_refused(staff_client, customer, deposit):
    decide(staff_client, deposit, "approve", credited="100")
    again = decide(staff_client, deposit, "approve", credited="100")
    assert "It changed since" in again.content.decode()
    forced = decide(staff_client, deposit, "approve", seen="approved", credited="100")
    assert "added already" in forced.content.decode()
    assert money_of(customer)[0] == 115_000_000


def test_approval_when_the_customer_canceled_meanwhile_then_refused(staff_client, customer, deposit):
    cancel_deposit(deposit=deposit)
    assert "It changed since" in decide(staff_client, deposit, "approve", credited="100").content.decode()
    assert money_of(customer)[0] == 10_000_000


@pytest.mark.parametrize("credited", ["", "0", "-5", "nonsense", "1,234", "9" * 25, "１００"])
def test_approval_when_the_amount_is_invalid_then_refused(staff_client, customer, deposit, credited):
    assert decide(staff_client, deposit, "approve", credited=credited).status_code == 200
    assert money_of(customer)[0] == 10_000_000
    assert Deposit.objects.get().state == "pending"


def test_refusal_when_it_has_a_reason_then_the_customer_reads_it(staff_client, signed_in, deposit):
    assert decide(staff_client, deposit, "refuse", reason="").status_code == 200
    assert Deposit.objects.get().state == "pending"
    assert decide(staff_client, deposit, "refuse", reason="Nothing <came> in.").status_code == 302
    page = signed_in.get(reverse("deposit_detail", args=[deposit.pk]))
    assert "Nothing &lt;came&gt; in." in page.content.decode()


def test_list_when_some_are_pending_then_first_and_searchable(staff_client, staff, customer, deposit):
    later = make.pending_deposit(customer, "50")
    approve_deposit(deposit_id=later.pk, credited=1, actor=staff)
    page = staff_client.get(reverse(LIST))
    assert [one.pk for one in page.context["cl"].result_list] == [deposit.pk, later.pk]
    for query, found in (("TX <1>", 1), ("ALICE@", 2), (f"#{later.pk}", 1), ("nobody", 0)):
        assert staff_client.get(reverse(LIST), {"q": query}).context["cl"].result_count == found
    assert staff_client.get(reverse(LIST), {"state__exact": "pending"}).context["cl"].result_count == 1


def test_list_when_it_grows_then_statements_stay_the_same(staff_client, customer, deposit):
    def statements():
        with CaptureQueriesContext(connection) as asked:
            assert staff_client.get(reverse(LIST)).status_code == 200
        return len(asked)

    statements()
    few = statements()
    for _ in range(4):
        make.pending_deposit(customer)
    assert statements() == few


def test_overview_when_deposits_are_pending_then_says_so(staff_client, customer, deposit):
    text = staff_client.get(reverse("admin:index")).content.decode()
    assert "deposit waits for you</a>" in text
    assert reverse(LIST) in text
    make.pending_deposit(customer)
    assert "deposit waits for you</a>" in staff_client.get(reverse("admin:index")).content.decode()
    make.pending_deposit(customer, reference="TX 2")
    assert "deposits wait for you</a>" in staff_client.get(reverse("admin:index")).content.decode()


def test_deposit_when_edited_directly_then_nothing_changes(staff_client, deposit):
    address = reverse("admin:billing_deposit_change", args=[deposit.pk])
    assert staff_client.post(address, {"state": "approved", "credited": "1"}).status_code == 403
    assert Deposit.objects.get().state == "pending"


def test_deposit_when_decided_then_no_decision_is_offered(staff_client, deposit):
    def offered():
        text = staff_client.get(reverse("admin:billing_deposit_change", args=[deposit.pk])).content.decode()
        return [
            name
            for name in ("approve", "refuse")
            if reverse(f"admin:billing_deposit_{name}", args=[deposit.pk]) in text
        ]

    assert offered() == ["approve", "refuse"]
    decide(staff_client, deposit, "refuse", reason="No.")
    assert offered() == []
    for name in ("approve", "refuse"):
        late = staff_client.get(reverse(f"admin:billing_deposit_{name}", args=[deposit.pk]), follow=True)
        assert late.redirect_chain[0][0] == reverse("admin:billing_deposit_change", args=[deposit.pk])
        assert "It was decided already." in late.content.decode()


# -- payment methods -------------------------------------------------------------------------------------

WAY = {
    "name": "Wire",
    "kind": "transfer",
    "instructions": "Pay here.",
    "minimum": "10",
    "maximum": "500.50",
    "bonus_bp": "2.5",
    "hours_open": "72",
    "position": "0",
    "is_active": "on",
}


def adds(client, **changes):
    return client.post(reverse("admin:billing_paymentmethod_add"), {**WAY, **changes})


def test_payment_method_when_set_up_then_customers_can_choose_it(staff_client, signed_in):
    # The page that shows where money goes comes first: see test_methods.py.
    asked = adds(staff_client)
    kept = re.search(rf'name="{KEPT}" value="([^"]+)"', asked.content.decode())
    assert kept
    assert staff_client.post(reverse("admin:billing_paymentmethod_add"), {KEPT: kept[1]}).status_code == 302
    way = PaymentMethod.objects.get()
    assert (way.minimum, way.maximum, way.bonus_bp) == (10_000_000, 500_500_000, 250)
    text = signed_in.get(reverse("add_funds")).content.decode()
    for words in ("Wire", "$10.00", "$500.50", "2.5% bonus"):
        assert words in text
    data = {"method": way.pk, "amount": "20", "request_key": uuid4().hex}
    assert "Pay here." in signed_in.post(reverse("add_funds"), data, follow=True).content.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum": "0"},
        {"minimum": "-1"},
        {"minimum": ""},
        {"maximum": "9"},
        {"maximum": "nonsense"},
        {"bonus_bp": "-1"},
        {"bonus_bp": "101"},
        {"bonus_bp": "１"},
        {"kind": "unknown"},
        {"name": ""},
    ],
)
def test_payment_method_when_a_field_is_wrong_then_its_error(staff_client, changes):
    response = adds(staff_client, **changes)
    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == set(changes)
    assert not PaymentMethod.objects.exists()


@pytest.mark.parametrize("number", ["abc", "0", "9" * 30, "_00"])
@pytest.mark.parametrize("action", ["approve", "refuse"])
def test_action_when_the_number_is_invalid_then_404(staff_client, number, action):
    assert staff_client.get(f"/admin/billing/deposit/{number}/{action}/").status_code == 404
