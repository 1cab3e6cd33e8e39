"""Adding funds: requests and decisions, each made and credited exactly once."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path, reverse
from django.views.decorators.csrf import csrf_exempt

import billing.methods
from billing.bonus_terms import BonusTerms
from billing.deposits import (
    MAX_WAITING,
    AlreadyDecided,
    DecisionRefused,
    approve_deposit,
    cancel_deposit,
    confirm_payment,
    refuse_deposit,
    request_deposit,
)
from billing.methods import Method, MethodFailed, method_urls, register
from billing.models import Deposit, Entry, PaymentMethod
from panel.alerts.models import Alert
from panel.lib.money import MAX_MICROS
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import Killed, at_once, money_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

TEN = ("deposit", 10_000_000)


@pytest.fixture
def method():
    return make.payment_method(bonus_bp=500)


def post_request(client, offered, **values):
    data = {"method": offered.pk, "amount": "100", "request_key": uuid4().hex, **values}
    return client.post(reverse("add_funds"), data)


def error_of(response, name="amount"):
    assert response.status_code == 200
    assert not Deposit.objects.exists()
    return " ".join(response.context["form"].errors[name])


# -- requests --------------------------------------------------------------------------------------------


def test_request_when_sent_then_pending_and_nothing_is_credited(signed_in, customer, method):
    response = post_request(signed_in, method, reference="TX 1")
    deposit = Deposit.objects.get()
    assert response.url == reverse("deposit_detail", args=[deposit.pk])
    assert (deposit.customer, deposit.amount, deposit.reference) == (customer, 100_000_000, "TX 1")
    assert (deposit.state, deposit.bonus_bp, deposit.credited) == ("pending", 500, None)
    assert money_of(customer) == (10_000_000, [TEN])
    text = signed_in.get(response.url).content.decode()
    assert "Pay to account 1." in text and "Waiting" in text and "TX 1" in text
    assert "Bank transfer" in signed_in.get(reverse("wallet")).content.decode()


def test_amount_when_it_can_be_read_in_two_ways_then_asked_and_kept(signed_in, method):
    for page in (
        post_request(signed_in, method, amount="1.000", reference="TX 1").content.decode(),
        signed_in.get(reverse("add_funds_preview"), {"method": method.pk, "amount": "1.000"}).content.decode(),
    ):
        assert page.count("can be read in two ways") == 1
        assert 'name="amount_is" value="1" formnovalidate>$1.00<' in page
        assert 'name="amount_is" value="1000" formnovalidate>$1,000.00<' in page
    assert not Deposit.objects.exists()
    answered = post_request(signed_in, method, amount="1.000", reference="TX 1", amount_is="1000").content.decode()
    assert 'value="1000"' in answered and "TX 1" in answered
    assert not Deposit.objects.exists()


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("4.999999", "smallest amount is $5.00"),
        ("-100", "smallest amount"),
        ("0", "smallest amount"),
        ("1000.01", "largest amount at once is $1,000.00"),
        ("99999999999999999", "out of range"),
        ("9" * 40, "such as 12.50"),
        ("1.234,56", "such as 12.50"),
        ("1e2", "such as 12.50"),
        ("NaN", "such as 12.50"),
        ("10.1234567", "six decimal places"),
        ("10\x00", "invisible character"),
        ("", "Enter the amount"),
    ],
)
def test_amount_when_invalid_then_its_error_and_the_rest_is_kept(signed_in, method, amount, words):
    response = post_request(signed_in, method, amount=amount, reference="my reference")
    assert words in error_of(response)
    assert 'value="my reference"' in response.content.decode()


@pytest.mark.parametrize("reference", ["x" * 201, "a\x00b"])
def test_reference_when_invalid_then_its_error(signed_in, method, reference):
    assert error_of(post_request(signed_in, method, reference=reference), "reference")


@pytest.mark.parametrize("chosen", ["", "0", "999", "nonsense", "１", "-1", "9" * 30])
def test_method_when_not_offered_then_the_form_is_shown_again(signed_in, method, chosen):
    response = post_request(signed_in, method, method=chosen)
    assert response.status_code == 200
    assert not Deposit.objects.exists()
    assert "not offered any longer" in response.content.decode()
    assert 'value="100"' in response.content.decode()


def test_method_when_removed_meanwhile_then_the_form_says_so(signed_in, method):
    PaymentMethod.objects.update(is_active=False)
    response = post_request(signed_in, method)
    assert "not offered any longer" in response.content.decode()
    assert not Deposit.objects.exists()


def test_method_when_its_module_is_gone_then_not_offered(signed_in):
    make.payment_method(kind="gone")
    assert signed_in.get(reverse("add_funds")).context["form"] is None


def test_request_when_the_bonus_fell_meanwhile_then_confirmed_again(signed_in, method):
    PaymentMethod.objects.update(bonus_bp=100)
    response = post_request(signed_in, method, seen_bonus="500")
    assert "The bonus has changed" in response.content.decode()
    assert not Deposit.objects.exists()
    post_request(signed_in, method, seen_bonus="100")
    assert Deposit.objects.get().bonus_bp == 100


def test_page_when_there_is_no_method_then_says_whom_to_contact(signed_in, settings):
    settings.SUPPORT_EMAIL = "help@example.com"
    assert "help@example.com" in signed_in.get(reverse("add_funds")).content.decode()


def test_page_when_a_link_chooses_a_method_then_its_form_is_shown(signed_in, method):
    second = make.payment_method(name="Crypto", instructions="Send coins.", minimum=1)
    page = signed_in.get(reverse("add_funds"), {"method": second.pk})
    assert page.context["form"].method == second
    assert f'value="{second.pk}" checked' in page.content.decode()


def test_request_when_the_form_is_sent_twice_then_one(signed_in, method):
    key = uuid4().hex
    first, second = (post_request(signed_in, method, request_key=key) for _ in range(2))
    assert first.url == second.url
    assert Deposit.objects.count() == 1


def test_request_when_resent_with_new_amount_then_confirmed_again(signed_in, method):
    key = uuid4().hex
    post_request(signed_in, method, request_key=key)
    response = post_request(signed_in, method, request_key=key, amount="50")
    assert "sent already, for $100.00" in response.content.decode()
    assert Deposit.objects.count() == 1
    fresh = response.context["form"]["request_key"].value()
    assert post_request(signed_in, method, request_key=fresh, amount="50").status_code == 302
    assert Deposit.objects.count() == 2


@pytest.mark.parametrize("key", ["", "short", "Z" * 32, "a" * 33])
def test_request_when_its_key_is_malformed_then_refused(signed_in, method, key):
    assert post_request(signed_in, method, request_key=key).status_code == 200
    assert not Deposit.objects.exists()


def test_request_when_at_pending_limit_then_refused_until_below_it(signed_in, customer, method):
    made = [make.pending_deposit(customer) for _ in range(MAX_WAITING)]
    response = post_request(signed_in, method)
    assert "the most at once" in response.content.decode()
    assert Deposit.objects.count() == MAX_WAITING
    cancel_deposit(deposit=made[0])
    assert post_request(signed_in, method).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_requests_when_many_come_at_once_then_the_limit_holds(customer, method):
    results = at_once(8, lambda number: make.pending_deposit(customer))
    assert len([one for one in results if isinstance(one, Deposit)]) == MAX_WAITING
    assert Deposit.objects.count() == MAX_WAITING


@pytest.mark.django_db(transaction=True)
def test_request_when_sent_many_times_at_once_then_one(customer, method):
    values = {"customer": customer, "method": method, "amount": 10_000_000, "request_key": "a" * 32}
    results = at_once(8, lambda number: request_deposit(**values))
    assert [one.created for one in results].count(True) == 1
    assert {one.deposit.pk for one in results} == {Deposit.objects.get().pk}


# -- the preview -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("100", ["$105.00", "$5.00", "(5%)"]),
        ("5.01", ["$5.2605"]),
        ("1", ["smallest amount is $5.00"]),
        ("nonsense", ["such as 12.50"]),
        ("", ["5% bonus"]),
    ],
)
def test_preview_when_an_amount_is_typed_then_amount_bonus_and_sum(signed_in, method, amount, words):
    page = signed_in.get(reverse("add_funds_preview"), {"method": method.pk, "amount": amount})
    text = page.content.decode()
    for word in words:
        assert word in text
    assert not Deposit.objects.exists()


def test_form_when_amount_invalid_then_one_error_on_focused_field(signed_in, method):
    text = post_request(signed_in, method, amount="1").content.decode()
    assert text.count("smallest amount") == 1
    assert "You get <strong>" not in text
    assert [tag for tag in re.findall("<input[^>]*>", text) if "autofocus" in tag and 'name="amount"' in tag]
    assert "$5.00 to $" in text and "Amount to add in $" in text


def test_preview_when_the_method_is_unknown_then_empty(signed_in, method):
    assert signed_in.get(reverse("add_funds_preview"), {"method": "x", "amount": "5"}).status_code == 204


# -- decisions -------------------------------------------------------------------------------------------


def test_approval_when_bonus_was_promised_then_posted_with_deposit(staff, customer, method):
    deposit = make.pending_deposit(customer)
    PaymentMethod.objects.update(bonus_bp=0)
    approve_deposit(deposit_id=deposit.pk, credited=100_000_001, actor=staff)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.credited, deposit.bonus) == ("approved", 100_000_001, 5_000_000)
    assert money_of(customer) == (115_000_001, [TEN, ("deposit", 100_000_001), ("bonus", 5_000_000)])
    assert deposit.decided_by == staff and deposit.decided_at


def test_approval_when_customer_has_no_wallet_then_one_is_created(staff, method):
    user = make.customer("new@example.org")
    approve_deposit(deposit_id=make.pending_deposit(user).pk, credited=1, actor=staff)
    assert money_of(user) == (1, [("deposit", 1)])


@pytest.mark.parametrize("credited", [0, -1, MAX_MICROS + 1])
def test_approval_when_the_amount_is_invalid_then_nothing_changes(staff, customer, method, credited):
    deposit = make.pending_deposit(customer)
    with pytest.raises(DecisionRefused):
        approve_deposit(deposit_id=deposit.pk, credited=credited, actor=staff)
    deposit.refresh_from_db()
    assert deposit.state == "pending"


def test_approval_when_the_wallet_cannot_hold_it_then_still_pending(staff, customer, method):
    deposit = make.pending_deposit(customer)
    with pytest.raises(DecisionRefused, match="ledger"):
        approve_deposit(deposit_id=deposit.pk, credited=MAX_MICROS, actor=None)
    deposit.refresh_from_db()
    assert (deposit.state, money_of(customer)[0]) == ("pending", 10_000_000)


@pytest.mark.parametrize(("amount", "basis_points", "bonus"), [(1, 500, 0), (19, 500, 0), (20, 500, 1), (7, 10_000, 7)])
def test_bonus_when_fractional_then_rounded_down(amount, basis_points, bonus):
    assert BonusTerms(basis_points).bonus_of(amount) == bonus


DECISIONS = {
    "approve": lambda deposit, staff: approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff),
    "refuse": lambda deposit, staff: refuse_deposit(deposit_id=deposit.pk, reason="No", actor=staff),
    "cancel": lambda deposit, staff: cancel_deposit(deposit=deposit),
}


@pytest.mark.parametrize("second", DECISIONS)
@pytest.mark.parametrize("first", DECISIONS)
def test_decision_when_made_before_then_it_stands(staff, customer, method, first, second):
    deposit = make.pending_deposit(customer)
    DECISIONS[first](deposit, staff)
    stands = Deposit.objects.values().get(), money_of(customer)
    with pytest.raises(AlreadyDecided):
        DECISIONS[second](deposit, staff)
    assert (Deposit.objects.values().get(), money_of(customer)) == stands


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "decisions", [["approve"] * 6, ["approve", "refuse", "cancel"] * 2, ["refuse", "approve"] * 3], ids=str
)
def test_decisions_when_made_at_once_then_exactly_one_counts(staff, customer, method, decisions):
    deposit = make.pending_deposit(customer)
    results = at_once(len(decisions), lambda number: DECISIONS[decisions[number]](deposit, staff))
    lost = [one for one in results if isinstance(one, AlreadyDecided)]
    assert len(lost) == len(decisions) - 1, results
    deposit.refresh_from_db()
    won = deposit.state == "approved"
    assert money_of(customer)[1] == [TEN] + [("deposit", 100_000_000), ("bonus", 5_000_000)] * won


@pytest.mark.django_db(transaction=True)
def test_decision_when_not_atomic_then_refused_deposit_is_credited(staff, customer, method):
    """Why the update is filtered: with a read before it, both succeed."""
    deposit = make.pending_deposit(customer)
    meeting = threading.Barrier(2)

    def naively(state):
        waits = Deposit.objects.get(pk=deposit.pk).state == "pending"
        meeting.wait(60)
        if waits:
            Deposit.objects.filter(pk=deposit.pk).update(
                state=state, decided_at=deposit.created_at, credited=5 if state == "approved" else None
            )
        return waits

    results = at_once(2, lambda number: naively(["approved", "refused"][number]))
    assert results == [True, True]
    Deposit.objects.update(state="pending", credited=None, decided_at=None)


@pytest.mark.django_db(transaction=True)
def test_approval_when_the_process_dies_then_a_repeat_credits_once(staff, customer, method):
    survived = 0
    for dies_at in range(1, 40):
        deposit = make.pending_deposit(customer)
        before = money_of(customer)[0]
        died = approve_dying_at(deposit, staff, dies_at)
        assert find_breaches() == []
        deposit.refresh_from_db()
        assert money_of(customer)[0] - before == (105_000_000 if deposit.state == "approved" else 0)
        with suppress(AlreadyDecided):
            approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff)
        assert money_of(customer)[0] - before == 105_000_000
        if not died:
            break
        survived += 1
    assert 8 < survived < 39


def approve_dying_at(deposit, staff, number):
    """Approve with the process dying before the given statement; return True if it died."""
    count = 0

    def kill(execute, sql, params, many, context):
        nonlocal count
        count += 1
        if count == number:
            raise Killed
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(kill):
            approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff)
    except Killed:
        return True
    return False


# -- the customer's page ---------------------------------------------------------------------------------


def test_cancel_when_pending_then_canceled_and_a_repeat_is_harmless(signed_in, customer, method):
    deposit = make.pending_deposit(customer)
    address = reverse("deposit_cancel", args=[deposit.pk])
    text = signed_in.post(address, follow=True).content.decode()
    assert "You canceled this request" in text
    assert "not canceled" not in signed_in.post(address, follow=True).content.decode()
    deposit.refresh_from_db()
    assert (deposit.state, deposit.decided_by) == ("canceled", customer)


def test_cancel_when_just_approved_then_customer_sees_approval(signed_in, staff, customer, method):
    deposit = make.pending_deposit(customer)
    approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff)
    text = signed_in.post(reverse("deposit_cancel", args=[deposit.pk]), follow=True).content.decode()
    assert "not canceled" in text and "$105.00" in text


def test_page_when_decided_then_says_what_came_in_and_why(signed_in, staff, customer, method):
    came, gone = make.pending_deposit(customer), make.pending_deposit(customer)
    approve_deposit(deposit_id=came.pk, credited=90_000_000, note="A <b>fee</b> was taken.", actor=staff)
    refuse_deposit(deposit_id=gone.pk, reason="Nothing came in.", actor=staff)
    text = signed_in.get(reverse("deposit_detail", args=[came.pk])).content.decode()
    assert "$94.50" in text and "A &lt;b&gt;fee&lt;/b&gt;" in text and "Pay to account" not in text
    text = signed_in.get(reverse("deposit_detail", args=[gone.pk])).content.decode()
    assert "Nothing came in." in text and "Refused" in text


def test_page_when_it_polls_then_answered_once_the_state_changes(signed_in, staff, customer, method):
    deposit = make.pending_deposit(customer)
    address = reverse("deposit_detail", args=[deposit.pk])
    asks = {"headers": {"HX-Request": "true"}}
    found = re.search(r"\?state=[0-9a-f]{8}", signed_in.get(address).content.decode())
    assert found
    address += found[0]
    assert signed_in.get(address, **asks).status_code == 204
    approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff)
    answer = signed_in.get(address, **asks).content.decode()
    assert "Your request: Added." in answer
    assert "every 10s" not in answer


@pytest.mark.parametrize("name", ["deposit_detail", "deposit_cancel", "deposit_receipt"])
def test_deposit_when_it_is_anothers_then_404(signed_in, other, method, name):
    deposit = make.pending_deposit(other)
    address = reverse(name, args=[deposit.pk])
    answer = signed_in.post(address) if name == "deposit_cancel" else signed_in.get(address)
    assert answer.status_code == 404
    deposit.refresh_from_db()
    assert deposit.state == "pending"


def test_request_list_when_long_then_paged_with_same_query_count(signed_in, customer, staff, method):
    for _ in range(12):
        refuse_deposit(deposit_id=make.pending_deposit(customer).pk, reason="No", actor=staff)
    page = signed_in.get(reverse("add_funds"))
    assert len(page.context["page"].rows) == 10
    older = signed_in.get(reverse("add_funds"), dict([page.context["page"].next]))
    assert len(older.context["page"].rows) == 2


# -- a gateway is one class ------------------------------------------------------------------------------


@csrf_exempt
def toy_callback(request):
    """The view of a toy gateway, which checks a secret."""
    if request.headers.get("X-Secret") != "s3cret":
        return HttpResponse(status=403)
    confirm_payment(deposit_id=int(request.POST["id"]), credited=int(request.POST["micros"]))
    return HttpResponse("ok")


class ToyGateway(Method):
    code = "toy"
    label = "Toy"
    origins = ("https://toy.example",)
    urls = (path("callback/", toy_callback, name="toy_callback"),)
    is_down = False

    def begin(self, deposit):
        if self.is_down:
            raise MethodFailed("The gateway does not answer. Please try again later.")
        return f"https://toy.example/pay/{deposit.pk}"


@pytest.fixture
def gateway(settings, monkeypatch):
    monkeypatch.setattr(billing.methods, "_METHODS", dict(billing.methods.methods()))
    toy = ToyGateway()
    register(toy)
    urls = type("urls", (), {"urlpatterns": [path("wallet/", include(method_urls())), path("", include("panel.urls"))]})
    settings.ROOT_URLCONF = urls
    return toy


def calls_back(deposit, *, micros=100_000_000, secret="s3cret"):
    client = Client(headers={"X-Secret": secret})
    return client.post("/wallet/pay/toy/callback/", {"id": deposit.pk, "micros": micros})


def test_gateway_when_it_confirms_repeatedly_then_credited_once(signed_in, customer, gateway):
    method = make.payment_method(kind="toy", name="Toy", instructions="", bonus_bp=100)
    page = signed_in.get(reverse("add_funds"))
    assert "https://toy.example" in page.headers["Content-Security-Policy"]
    assert "reference" not in page.context["form"].fields
    response = post_request(signed_in, method)
    deposit = Deposit.objects.get()
    assert response.url == f"https://toy.example/pay/{deposit.pk}"
    assert calls_back(deposit, secret="guessed").status_code == 403
    assert money_of(customer)[0] == 10_000_000
    assert [calls_back(deposit).status_code for _ in range(3)] == [200] * 3
    assert money_of(customer) == (111_000_000, [TEN, ("deposit", 100_000_000), ("bonus", 1_000_000)])
    deposit.refresh_from_db()
    assert (deposit.state, deposit.decided_by) == ("approved", None)
    assert not Alert.objects.exists()


def test_gateway_when_the_request_was_canceled_then_an_alert(customer, gateway):
    deposit = make.pending_deposit(customer, method=make.payment_method(kind="toy"))
    cancel_deposit(deposit=deposit)
    assert calls_back(deposit).status_code == 200
    assert "$100.00 came in" in Alert.objects.get().text
    assert Entry.objects.count() == 1


def test_gateway_when_down_then_error_and_request_stays_pending(signed_in, gateway, monkeypatch):
    monkeypatch.setattr(ToyGateway, "is_down", True)
    method = make.payment_method(kind="toy")
    response = post_request(signed_in, method)
    assert "does not answer" in signed_in.get(response.url).content.decode()


def test_page_when_no_gateway_is_chosen_then_forms_stay_on_the_site(signed_in, method):
    assert "form-action 'self';" in signed_in.get(reverse("add_funds")).headers["Content-Security-Policy"] + ";"
