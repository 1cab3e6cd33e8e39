"""Second looks: asking, confirming once, a sole owner with a second factor, and what changed meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.adjusting import adjust_wallet
from billing.deposits import cancel_deposit
from billing.models import Deposit
from billing.second_looks import asked_adjustment, asked_approval
from billing.wallets import wallet_of
from orders.models import Order
from orders.second_looks import MAX_ORDERS, WITHDRAW, ask_for_orders, asked_close, asked_part
from orders.states import Status, Submission
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.staff import looks
from panel.staff.acts import acts
from panel.staff.deeds import AboveLimit, Why
from panel.staff.kinds import Kind, Limit
from panel.staff.limits import limit_of, store_limits
from panel.staff.looks import LookRefused, act_or_ask, ask_second_look, confirm_look, decline_look, lapse_looks
from panel.staff.mails import send_look_mails
from panel.staff.models import SecondLook, StaffDay, StaffDeed
from tests import make
from tests.admin_calls import WHY, action_address, do_to_many
from tests.threads import in_threads

pytestmark = pytest.mark.django_db
WHY_NOTE = Why("compensation", "Complaint 17")
State = SecondLook.State


@pytest.fixture
def second(db: None) -> User:
    return make.staff_member(OWNER, "second@example.org")


def ask_credit(actor: User, customer: User, amount: str = "5000") -> SecondLook:
    wallet, micros = wallet_of(customer=customer), make.micros(amount)
    values: dict[str, Any] = {"amount": micros, "kind": "adjustment", "reason": "Sorry", "request_key": uuid4().hex}
    asked = asked_adjustment(wallet=wallet, kind_label="Adjustment", **values)
    told = act_or_ask(
        act=lambda: str(adjust_wallet(wallet=wallet, actor=actor, why=WHY_NOTE, **values)),
        asked=asked,
        actor=actor,
        why=WHY_NOTE,
    )
    assert "Nothing moved" in told
    return SecondLook.objects.latest("pk")


# -- by a second person -------------------------------------------------------------------------------


def test_credit_when_above_the_limit_then_a_second_owner_confirms_it(staff, second, customer):
    look = ask_credit(staff, customer)
    assert (make.wallet(customer).balance, look.amount, look.note) == (10_000_000, 5_000_000_000, "Complaint 17")
    assert "was posted" in confirm_look(look=look, actor=second)
    look.refresh_from_db()
    assert (look.state, look.decided_by, look.is_alone) == (State.CONFIRMED, second, False)
    deed = StaffDeed.objects.get()
    assert (deed.person, deed.look, deed.reason, deed.amount) == (staff, look, "compensation", 5_000_000_000)
    assert make.wallet(customer).balance == 5_010_000_000
    assert not StaffDay.objects.exists()
    assert "moved $5,000.00 today" in Alert.objects.get(cause=Cause.STAFF_MONEY.of(staff.pk)).text


def test_look_when_confirmed_by_the_person_who_asked_then_refused(staff, second, customer):
    look = ask_credit(staff, customer)
    with pytest.raises(LookRefused, match=r"second@example\.org"):
        confirm_look(look=look, actor=staff, has_code=True)
    assert make.wallet(customer).balance == 10_000_000
    with pytest.raises(IntegrityError), transaction.atomic():  # The database refuses it as well.
        SecondLook.objects.update(state=State.CONFIRMED, decided_by=staff, decided_at=timezone.now())


@pytest.mark.parametrize("who", [MANAGER, SUPPORT, "customer", "inactive"])
def test_look_when_confirmed_by_the_wrong_person_then_refused(staff, second, customer, who):
    look = ask_credit(staff, customer)
    if who == "customer":
        User.objects.filter(pk=customer.pk).update(is_staff=True, is_superuser=True)
    person = customer if who == "customer" else second if who == "inactive" else make.staff_member(who)
    if who == "inactive":
        User.objects.filter(pk=second.pk).update(is_active=False)
    with pytest.raises(LookRefused):
        confirm_look(look=look, actor=User.objects.get(pk=person.pk))
    assert make.wallet(customer).balance == 10_000_000


def test_look_when_a_colleague_confirms_then_within_their_own_day(customer, provider):
    """Two people with small limits do not add up to a large one."""
    asker, manager = make.staff_member(SUPPORT), make.staff_member(MANAGER)
    make.deposit(customer, "5000")
    service = make.service(provider, high=10_000_000)
    for number in range(2):
        order = make.accepted_order(customer, service, quantity=100_000, upstream_id=f"9{number}")
        asked = asked_part(order=order, amount=make.micros("200"), note="Slow")
        ask_second_look(asked=asked, kind=Kind.REFUND, amount=make.micros("200"), actor=asker, why=WHY_NOTE)
    first, other = SecondLook.objects.order_by("pk")
    with pytest.raises(LookRefused, match="above what you may confirm"):
        confirm_look(look=first, actor=make.staff_member(SUPPORT, "two@example.org"))
    store_limits({(MANAGER, "refund"): Limit(make.micros("200"), make.micros("300"))})
    confirm_look(look=first, actor=manager)
    assert StaffDay.objects.get(person=manager).moved == make.micros("200")
    with pytest.raises(LookRefused, match="above what you may confirm"):
        confirm_look(look=other, actor=manager)
    other.refresh_from_db()
    assert (other.state, StaffDeed.objects.get().person) == (State.WAITING, asker)


@pytest.mark.django_db(transaction=True)
def test_look_when_two_confirm_at_once_then_carried_out_once(staff, second, customer):
    third = make.staff_member(OWNER, "third@example.org")
    look = ask_credit(staff, customer)
    results = in_threads(*[lambda who=who: confirm_look(look=look, actor=who) for who in (second, third)])
    assert sorted(isinstance(one, LookRefused) for one in results) == [False, True], results
    # Not only by the key of the posting, which other acts do not have.
    [refused] = [one for one in results if isinstance(one, LookRefused)]
    assert "Somebody decided about it meanwhile" in str(refused)
    assert make.wallet(customer).balance == 5_010_000_000
    assert StaffDeed.objects.count() == 1


def test_look_when_the_process_dies_in_the_act_then_still_waiting(staff, second, customer, monkeypatch):
    look = ask_credit(staff, customer)
    act = acts()["adjust_wallet"]

    def killed(*given: Any) -> str:
        act.run(*given)
        raise SystemExit

    monkeypatch.setitem(acts(), act.name, type(act)(act.name, act.permission, killed))
    with pytest.raises(SystemExit):
        confirm_look(look=look, actor=second)
    look.refresh_from_db()
    assert (look.state, make.wallet(customer).balance, StaffDeed.objects.count()) == (State.WAITING, 10_000_000, 0)
    monkeypatch.setitem(acts(), act.name, act)
    confirm_look(look=look, actor=second)
    assert make.wallet(customer).balance == 5_010_000_000


def test_request_when_killed_before_the_queue_then_nothing_moved_and_asked_again(staff, customer):
    """Between the refused act and its look nothing is held: the same form asks once, however often it is sent."""
    wallet = wallet_of(customer=customer)
    values: dict[str, Any] = {"amount": 10**10, "kind": "bonus", "reason": "x", "request_key": "a" * 32}
    with pytest.raises(AboveLimit):
        adjust_wallet(wallet=wallet, actor=staff, **values)
    asked = asked_adjustment(wallet=wallet, kind_label="Bonus", **values)
    first, again = (
        ask_second_look(asked=asked, kind=Kind.BONUS, amount=10**10, actor=staff, why=WHY_NOTE) for _ in range(2)
    )
    assert first == again and SecondLook.objects.count() == 1
    assert make.wallet(customer).balance == 10_000_000


def test_look_when_declined_or_lapsed_then_never_carried_out(staff, second, customer, monkeypatch):
    look, old = ask_credit(staff, customer), ask_credit(staff, customer)
    decline_look(look=look, note="No such complaint", actor=second)
    SecondLook.objects.filter(pk=old.pk).update(asked_at=timezone.now() - looks.MAX_AGE - timedelta(minutes=1))
    old.refresh_from_db()
    for one in (look, old):
        with pytest.raises(LookRefused):
            confirm_look(look=one, actor=second)
    assert lapse_looks() == 1
    assert make.wallet(customer).balance == 10_000_000


# -- orders -------------------------------------------------------------------------------------------


def test_close_when_the_order_changed_meanwhile_then_refused_and_told(second, customer, provider):
    asker = make.staff_member(SUPPORT)
    make.deposit(customer, "500")
    order = make.accepted_order(customer, make.service(provider, high=10**6), quantity=100_000)
    asked = asked_close(order=order, status=Status.CANCELED, delivered=None, note="Dead")
    ask_second_look(asked=asked, kind=Kind.CLOSE, amount=order.charge, actor=asker, why=WHY_NOTE)
    look = SecondLook.objects.get()
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED)
    with pytest.raises(LookRefused, match="changed since this was asked"):
        confirm_look(look=look, actor=second)
    Order.objects.filter(pk=order.pk).update(status=order.status)
    assert "ended as Canceled; $250.00 refunded" in confirm_look(look=look, actor=second)
    order.refresh_from_db()
    assert (order.status, order.refunded) == (Status.CANCELED, order.charge)


def test_bulk_cancel_when_above_the_limit_then_the_rest_waits_and_is_done(second, customer, provider, invariants_hold):
    asker = make.staff_member(SUPPORT)
    store_limits({(SUPPORT, "refund"): Limit(make.micros("3"), make.micros("5"))})
    orders = [make.order(customer, make.service(provider, external_id=str(n)), quantity=1_000) for n in (1, 2, 3)]
    client = Client()
    client.force_login(asker)
    answer = do_to_many(client, "cancel", orders, **WHY)
    text = answer.content.decode()
    assert "2 canceled and $5.00 refunded" in text and "1 left alone: above your limit" in text
    assert "1 order for $2.50 waits for a second person" in text
    look = SecondLook.objects.get()
    assert (look.act, look.amount, StaffDay.objects.get().moved) == (WITHDRAW, 2_500_000, 5_000_000)
    assert "Canceled: 1, and $2.50 refunded." in confirm_look(look=look, actor=second)
    assert set(Order.objects.values_list("submission", flat=True)) == {Submission.WITHDRAWN}
    assert make.wallet(customer).balance == 10_000_000


def test_bulk_look_when_some_moved_then_only_the_others_are_done(second, customer, provider):
    asker = make.staff_member(SUPPORT)
    orders = [make.order(customer, make.service(provider, external_id=str(n)), quantity=1_000) for n in (1, 2)]
    assert MAX_ORDERS <= 1_000
    ask_for_orders(act=WITHDRAW, orders=orders, actor=asker, why=WHY_NOTE)
    Order.objects.filter(pk=orders[0].pk).update(claim_token="sent", attempts=1)
    assert "Canceled: 1, and $2.50 refunded. 1 left alone" in confirm_look(look=SecondLook.objects.get(), actor=second)
    assert Order.objects.get(pk=orders[0].pk).submission == Submission.QUEUED


# -- a sole owner ---------------------------------------------------------------------------------------


@pytest.fixture
def clock_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the panel's clock, as seconds from now; codes follow the real one."""
    start = timezone.now()

    def at(**later: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: start + timedelta(**later))

    return at


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def confirm_page(client: Client, look: SecondLook, code: str) -> str:
    address = action_address("staff.secondlook", look.pk, "confirm")
    return client.post(address, {"seen": "waiting", "code": code}, follow=True).content.decode()


def test_sole_owner_when_without_a_second_factor_then_told_to_set_one_up(staff, staff_client, customer, clock_at):
    make.staff_member(SUPPORT)
    look = ask_credit(staff, customer)
    clock_at(hours=2)
    address = action_address("staff.secondlook", look.pk, "confirm")
    assert "first set up a second factor" in staff_client.get(address, follow=True).content.decode()
    with pytest.raises(LookRefused, match="second factor"):
        confirm_look(look=look, actor=staff, has_code=True)


def test_sole_owner_when_an_hour_passed_then_confirms_once_with_a_code(staff, staff_client, customer, clock_at):
    secret = generate_totp_secret()
    TOTP.activate(staff, secret)
    clock_at(hours=2)
    look = ask_credit(staff, customer)
    assert send_look_mails() == 1
    [told] = mail.outbox
    assert (told.to, "If it was not you who asked" in told.body) == ([staff.email], True)
    clock_at(hours=2, minutes=59)
    assert "You can, from" in confirm_page(staff_client, look, code_of(secret))
    clock_at(hours=3, seconds=1)
    assert "Incorrect code" in confirm_page(staff_client, look, "000000")
    with pytest.raises(LookRefused, match="takes a code"):
        confirm_look(look=look, actor=staff)
    assert make.wallet(customer).balance == 10_000_000
    assert "was posted" in confirm_page(staff_client, look, code_of(secret))
    assert make.wallet(customer).balance == 5_010_000_000
    look.refresh_from_db()
    assert look.is_alone
    alert = Alert.objects.get(cause=Cause.STAFF_MONEY.of(staff.pk))
    assert (alert.level, "confirmed by themselves" in alert.text) == ("danger", True)
    # The same code confirms nothing else.
    other = ask_credit(staff, customer)
    clock_at(hours=5)
    code = code_of(secret)
    confirm_page(staff_client, other, code)
    assert make.wallet(customer).balance == 5_010_000_000


def test_sole_owner_when_the_factor_is_new_then_waits_an_hour_for_it(staff, customer, clock_at):
    look = ask_credit(staff, customer)
    clock_at(hours=3)
    Authenticator.objects.create(user=staff, type="totp", data={}, created_at=timezone.now())
    with pytest.raises(LookRefused, match="You can, from"):
        confirm_look(look=look, actor=staff, has_code=True)


def test_mail_when_others_may_confirm_then_they_get_it(staff, second, customer):
    look = ask_credit(staff, customer)
    send_look_mails()
    assert mail.outbox[0].to == sorted([staff.email, second.email])
    assert staff.email in mail.outbox[0].subject
    decline_look(look=look, note="", actor=second)
    assert send_look_mails() == 0


def test_look_when_the_asker_was_switched_off_then_not_confirmed(staff, second, customer):
    look = ask_credit(staff, customer)
    User.objects.filter(pk=staff.pk).update(is_active=False)
    with pytest.raises(LookRefused, match="may not do this any more"):
        confirm_look(look=look, actor=second)
    assert (make.wallet(customer).balance, StaffDeed.objects.count()) == (10_000_000, 0)


def test_request_when_corrected_then_a_look_of_its_own(staff, customer):
    deposit = make.pending_deposit(customer)
    for amount in ("9000", "9000", "6000"):
        credited = make.micros(amount)
        asked = asked_approval(deposit=deposit, credited=credited, note="")
        ask_second_look(asked=asked, kind=Kind.DEPOSIT, amount=credited, actor=staff, why=WHY_NOTE)
    assert list(SecondLook.objects.order_by("pk").values_list("amount", flat=True)) == [9_000_000_000, 6_000_000_000]


# -- pages ----------------------------------------------------------------------------------------------


def test_manager_when_deciding_deposits_then_up_to_the_limit(customer):
    manager = make.staff_member(MANAGER)
    client = Client()
    client.force_login(manager)
    small, large = make.pending_deposit(customer), make.pending_deposit(customer)
    for deposit, amount in ((small, "500"), (large, "500.01")):
        address = reverse("admin:billing_deposit_approve", args=[deposit.pk])
        answer = client.post(address, {"seen": "pending", "credited": amount, **WHY}, follow=True)
    text = answer.content.decode()
    assert "$500.01 is above your limit of $500.00 at once. Nothing moved" in text
    assert set(Deposit.objects.values_list("pk", "state")) == {(small.pk, "approved"), (large.pk, "pending")}
    assert confirm_look(look=SecondLook.objects.get(), actor=make.owner())
    large.refresh_from_db()
    assert (large.state, large.decided_by, make.wallet(customer).balance) == ("approved", manager, 1_010_010_000)


def test_approval_when_the_deposit_was_decided_meanwhile_then_refused(staff, customer):
    manager, deposit = make.staff_member(MANAGER), make.pending_deposit(customer)
    asked = asked_approval(deposit=deposit, credited=10**9, note="")
    ask_second_look(asked=asked, kind=Kind.DEPOSIT, amount=10**9, actor=manager, why=WHY_NOTE)
    cancel_deposit(deposit=deposit)
    with pytest.raises(LookRefused, match="canceled already"):
        confirm_look(look=SecondLook.objects.get(), actor=staff)


def limits_form(client: Client, **changes: str) -> dict[str, str]:
    form = client.get(reverse("admin:staff_stafflimit_changelist")).context["form"]
    shown = {name: str(form[name].value()) for name in form.fields if name != "note"}
    return {**shown, "note": "It was too much", **changes}


def test_limits_when_lowered_and_raised_then_only_lower_ones_hold(staff, second, staff_client):
    address = reverse("admin:staff_stafflimit_changelist")
    changes = {"manager-refund-at_once": "100", "owner-credit-a_day": "1000000"}
    text = staff_client.post(address, limits_form(staff_client, **changes), follow=True).content.decode()
    assert "Lowered, and in force: Manager, refund: $100.00 at once" in text
    assert "Higher limits take a second person. Nothing moved" in text
    manager = make.staff_member(MANAGER)
    assert limit_of(user=manager, kind=Kind.REFUND).at_once == make.micros("100")
    assert limit_of(user=staff, kind=Kind.CREDIT).a_day == make.micros("5000")
    look = SecondLook.objects.get()
    with pytest.raises(LookRefused):
        confirm_look(look=look, actor=manager)
    confirm_look(look=look, actor=second)
    assert limit_of(user=staff, kind=Kind.CREDIT).a_day == make.micros("1000000")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner-bonus-at_once": "3000"}, "above the limit of a day"),
        ({"owner-bonus-a_day": "99999999999"}, "out of range"),
        ({"note": ""}, "required"),
    ],
)
def test_limits_when_invalid_then_told_at_the_field_and_kept(staff_client, changes, words):
    address = reverse("admin:staff_stafflimit_changelist")
    answer = staff_client.post(address, limits_form(staff_client, **changes))
    assert words in answer.content.decode()
    assert not SecondLook.objects.exists()
