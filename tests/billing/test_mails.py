"""Mails to customers about the state of their deposits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.core.management import call_command
from django.utils import timezone

from billing.deposits import approve_deposit, cancel_deposit, refuse_deposit
from billing.mails import send_due_mails
from billing.models import Deposit
from billing.tasks import send_deposit_mails
from panel import mail_queue
from panel.alerts.models import Alert, Heartbeat
from panel.mail_queue import MAX_ATTEMPTS, MAX_ROUND, wait_after
from tests import make
from tests.scenes import Killed, at_once

pytestmark = pytest.mark.django_db


class Unreliable(locmem.EmailBackend):
    """A mail server that behaves as the test sets it."""

    is_down = False
    refuses: tuple[str, ...] = ()
    before: Callable[[], None] | None = None

    def open(self):
        if self.is_down:
            raise ConnectionRefusedError
        return True

    def send_messages(self, messages):
        if before := type(self).before:
            before()
        for message in messages:
            if set(message.to) & set(self.refuses):
                raise OSError("550 no such user")
        return super().send_messages(messages)


@pytest.fixture
def server(settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.Unreliable"
    for name in ("is_down", "refuses", "before"):
        monkeypatch.setattr(Unreliable, name, getattr(Unreliable, name))
    return Unreliable


@pytest.fixture
def deposit(customer):
    make.payment_method(bonus_bp=500)
    return make.pending_deposit(customer, reference="TX & 1")


def due_now():
    Deposit.objects.exclude(mail_due_at=None).update(mail_due_at=timezone.now() - timedelta(seconds=1))


def subjects():
    return [message.subject for message in mail.outbox]


def test_mails_when_a_deposit_changes_state_then_one_for_each(deposit, staff, customer):
    assert (send_due_mails(), send_due_mails()) == (1, 0)
    approve_deposit(deposit_id=deposit.pk, credited=90_000_000, note="A fee.", actor=staff)
    assert (send_due_mails(), send_due_mails()) == (1, 0)
    got, added = mail.outbox
    assert got.to == added.to == [customer.email]
    assert got.subject == "We got your request to add funds · Upmark"
    assert "$100.00" in got.body and "TX & 1" in got.body
    assert "$90.00 came in" in added.body and "bonus of $4.50" in added.body and "A fee." in added.body
    for message in (got, added):
        assert f"http://localhost:8000/wallet/deposits/{deposit.pk}/" in message.body


def test_mail_when_refused_then_it_says_why(deposit, staff):
    refuse_deposit(deposit_id=deposit.pk, reason="Nothing <came> in.", actor=staff)
    send_due_mails()
    [message] = mail.outbox
    assert "was refused" in message.subject
    assert "Why: Nothing <came> in." in message.body


def test_mail_when_the_customer_canceled_then_none(deposit):
    cancel_deposit(deposit=deposit)
    assert send_due_mails() == 0
    assert mail.outbox == []


def test_mail_when_server_is_down_then_retried_beyond_max_attempts(server, deposit):
    server.is_down = True
    for _ in range(MAX_ATTEMPTS + 1):
        assert send_due_mails() == 0
    assert "cannot be reached" in Alert.objects.get(resolved_at=None).text
    server.is_down = False
    assert send_due_mails() == 1
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.usefixtures("frozen_clock")
def test_mail_when_one_address_is_refused_then_only_it_backs_off(server, deposit, customer, other):
    server.refuses = (customer.email,)
    make.pending_deposit(other)
    assert send_due_mails() == 1
    deposit.refresh_from_db()
    assert (deposit.mail_attempts, deposit.mail_due_at > timezone.now()) == (1, True)
    assert send_due_mails() == 0
    for _ in range(MAX_ATTEMPTS):
        due_now()
        send_due_mails()
    deposit.refresh_from_db()
    assert (deposit.mail_attempts, deposit.mail_due_at) == (MAX_ATTEMPTS, None)
    assert str(deposit.pk) in Alert.objects.get(resolved_at=None).text


def test_mail_when_given_up_and_the_state_changes_then_sent(server, deposit, staff):
    Deposit.objects.update(mail_due_at=None, mail_attempts=MAX_ATTEMPTS)
    approve_deposit(deposit_id=deposit.pk, credited=1, actor=staff)
    assert send_due_mails() == 1
    assert subjects() == ["Your funds were added · Upmark"]


def test_mail_waits_when_they_grow_then_up_to_a_limit():
    waits = [wait_after(attempts) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=1), timedelta(hours=6))


def test_mail_when_state_changes_while_sending_then_second_is_sent(server, deposit, staff):
    def decides():
        if not mail.outbox:
            approve_deposit(deposit_id=deposit.pk, credited=1, actor=staff)

    server.before = decides
    due_now()
    send_due_mails()
    send_due_mails()
    assert [subject.split(" · ")[0] for subject in subjects()] == [
        "We got your request to add funds",
        "Your funds were added",
    ]
    assert send_due_mails() == 0


def test_mail_when_state_changes_and_sending_fails_then_due_now(server, deposit, staff):
    def decides():
        approve_deposit(deposit_id=deposit.pk, credited=1, actor=staff)
        raise OSError

    server.before = decides
    send_due_mails()
    deposit.refresh_from_db()
    assert (deposit.mail_attempts, deposit.mail_due_at <= timezone.now()) == (0, True)


def test_mail_when_the_process_dies_then_sent_after_the_lease(server, deposit):
    def dies():
        raise Killed

    server.before = dies
    with pytest.raises(Killed):
        send_due_mails()
    server.before = None
    assert send_due_mails() == 0
    due_now()
    assert send_due_mails() == 1


@pytest.mark.django_db(transaction=True)
def test_mails_when_rounds_run_at_once_then_each_is_sent_once(customer, other):
    make.payment_method()
    for user in (customer, other):
        for _ in range(4):
            make.pending_deposit(user)
    assert sum(at_once(4, lambda number: send_due_mails())) == 8
    assert len(mail.outbox) == 8


def test_round_when_more_due_than_limit_then_next_round_continues(deposit, monkeypatch, other):
    make.pending_deposit(other)
    monkeypatch.setattr(mail_queue, "MAX_ROUND", 1)
    assert (send_due_mails(), send_due_mails(), send_due_mails()) == (1, 1, 0)
    assert MAX_ROUND > 1


def test_task_and_command_when_run_then_send_and_record_heartbeat(deposit, other, capsys):
    send_deposit_mails()
    make.pending_deposit(other)
    call_command("send_deposit_mails")
    assert "1 mails sent." in capsys.readouterr().out
    assert len(mail.outbox) == 2
    assert Heartbeat.objects.filter(task="send_deposit_mails").exists()


def test_mail_when_names_hold_line_breaks_then_no_header_is_injected(deposit, settings):
    settings.PANEL_NAME = "My\r\nBcc: x@example.org"
    assert send_due_mails() in (0, 1)
    assert all("\n" not in message.subject for message in mail.outbox)
