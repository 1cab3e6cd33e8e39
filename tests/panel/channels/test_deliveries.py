"""Messages that are sent: at most once, kept while a channel fails, and told through another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.channels import deliveries, mail
from panel.channels.deliveries import LEASE, WAITS, retry_now, send_again, send_due
from panel.channels.messages import test_delivery as new_test
from panel.channels.models import Channel, Delivery
from panel.channels.tell import tell_what_is_due
from panel.lib.crypto import decrypt, encrypt
from panel.ops.key_rotation import KINDS
from tests.panel.channels.conftest import mail_channel, telegram_channel, webhook_channel
from tests.panel.channels.servers import Reply, Telegram

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process ends here."""


def queue(channel: Channel) -> Delivery:
    delivery = new_test(channel)
    delivery.save()
    return delivery


def later(monkeypatch: pytest.MonkeyPatch, length: timedelta) -> None:
    moment = timezone.now() + length
    monkeypatch.setattr(timezone, "now", lambda: moment)


def state_of(delivery: Delivery) -> str:
    return Delivery.objects.get(pk=delivery.pk).state


@pytest.mark.parametrize(
    ("command", "answer"), [("RCPT", "550 no such person"), ("MAIL", "451 not now"), ("DATA", "554 spam")]
)
def test_mail_when_refused_then_waits_and_the_channel_says_why(smtp, command, answer, monkeypatch):
    channel = mail_channel()
    delivery = queue(channel)
    smtp.refusals[command] = answer
    assert send_due() == 0
    channel.refresh_from_db()
    assert channel.last_error == answer
    assert channel.failing_since
    assert state_of(delivery) == Delivery.State.WAITING
    assert send_due() == 0, "the channel waits"
    assert Delivery.objects.get().attempts == 1
    smtp.refusals.clear()
    later(monkeypatch, timedelta(minutes=1))
    assert send_due() == 1
    channel.refresh_from_db()
    assert (channel.failures, channel.failing_since, channel.last_error) == (0, None, "")
    assert len(smtp.mails) == 1


def test_mail_when_no_server_then_waits(smtp, settings):
    channel = mail_channel()
    delivery = queue(channel)
    settings.EMAIL_PORT = 9
    assert send_due() == 0
    assert "refused" in Channel.objects.get().last_error.lower()
    assert state_of(delivery) == Delivery.State.WAITING


@pytest.mark.parametrize("cut", ["DATA"])
def test_mail_when_no_answer_after_the_text_then_not_sent_again(smtp, cut, monkeypatch):
    """It may have arrived. What it told of is told as still open, soon."""
    channel = mail_channel()
    raise_alert(cause=Cause.UNREACHABLE, about=3, text="North does not answer.", level="danger")
    smtp.cut_after = cut
    assert tell_what_is_due() == 0
    smtp.cut_after = ""
    assert Delivery.objects.get().state == Delivery.State.UNKNOWN
    later(monkeypatch, timedelta(minutes=6))
    assert tell_what_is_due() == 1
    assert [str(one["Subject"]).strip()[:12] for one in smtp.mails] == ["URGENT · Nor", "URGENT · Sti"]
    assert Channel.objects.get(pk=channel.pk).failures == 0


def test_telegram_when_it_fails_for_long_then_the_alert_is_told_in_the_end(telegram, monkeypatch):
    """Each message may have arrived; what it told of is told again as still open, at growing distances."""
    telegram_channel()
    raise_alert(cause=Cause.UNREACHABLE, about=3, text="North does not answer.", level="danger")
    telegram.reply, telegram.replies = Reply(500), [Reply(500)] * 3
    for minutes in (0, 6, 31):
        later(monkeypatch, timedelta(minutes=minutes))
        tell_what_is_due()
    assert len(telegram.messages) == 3
    later(monkeypatch, timedelta(minutes=31))
    assert tell_what_is_due() == 1
    assert "Still open: North does not answer." in telegram.messages[-1]["text"]


def test_messages_when_one_may_have_arrived_then_the_others_wait(telegram):
    channel = telegram_channel()
    for _ in range(3):
        queue(channel)
    telegram.replies = [Reply(500)]
    send_due()
    assert len(telegram.messages) == 1


def test_channel_when_switched_on_after_weeks_then_old_messages_are_not_sent(smtp):
    channel = mail_channel()
    old = queue(channel)
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=4))
    retry_now(channel)
    assert send_due() == 0
    assert state_of(old) == Delivery.State.FAILED


@pytest.mark.parametrize("kind", ["mail", "telegram"])
def test_message_when_the_process_dies_after_handing_over_then_never_sent_again(kind, smtp, telegram, monkeypatch):
    channel = mail_channel() if kind == "mail" else telegram_channel()
    delivery = queue(channel)
    monkeypatch.setattr(deliveries, "_store", kill)
    with pytest.raises(Killed):
        send_due()
    monkeypatch.undo()
    count = len(smtp.mails) + len(telegram.messages)
    assert count == 1
    later(monkeypatch, LEASE + timedelta(seconds=1))
    send_due()
    assert len(smtp.mails) + len(telegram.messages) == 1
    assert state_of(delivery) == Delivery.State.UNKNOWN


def test_message_when_the_process_dies_before_handing_over_then_sent(smtp, monkeypatch):
    channel = mail_channel()
    queue(channel)
    monkeypatch.setitem(deliveries._DELIVER, "mail", kill)
    with pytest.raises(Killed):
        send_due()
    monkeypatch.setitem(deliveries._DELIVER, "mail", mail.deliver)
    assert send_due() == 0, "claimed by the one that died"
    later(monkeypatch, LEASE + timedelta(seconds=1))
    assert send_due() == 1
    assert len(smtp.mails) == 1


def test_webhook_when_the_process_dies_then_repeated_under_the_same_id(receiver, monkeypatch):
    queue(webhook_channel(receiver))
    monkeypatch.setattr(deliveries, "_store", kill)
    with pytest.raises(Killed):
        send_due()
    monkeypatch.undo()
    later(monkeypatch, LEASE + timedelta(seconds=1))
    assert send_due() == 1
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def kill(*args: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        (Reply(403, {"ok": False, "description": "Forbidden: bot was blocked"}), "waiting", "403 Forbidden: bot was"),
        (Reply(429, {"ok": False, "parameters": {"retry_after": 40}, "description": "Slow"}), "waiting", "429 Slow"),
        (Reply(500, {}), "unknown", "500: {}"),
        (Reply(cut=True), "unknown", ""),
        (Reply(200, ["nonsense"]), "waiting", "200: "),
    ],
)
def test_telegram_when_refused_then_waits_unless_it_may_have_arrived(telegram, reply, state, words):
    channel = telegram_channel()
    delivery = queue(channel)
    telegram.replies = [reply]
    send_due()
    assert state_of(delivery) == state
    assert words in Channel.objects.get().last_error
    if "retry_after" in str(reply.body):
        wait = Channel.objects.get().next_try_at - timezone.now()
        assert timedelta(seconds=30) < wait <= timedelta(seconds=40)


def test_telegram_when_the_token_is_wrong_then_said_without_it(telegram, caplog):
    channel = telegram_channel(secret_encrypted=encrypt("111111111:wrong-but-well-formed-token"))
    queue(channel)
    send_due()
    assert Channel.objects.get().last_error == "401 Unauthorized"
    assert "wrong-but-well-formed" not in caplog.text


def test_webhook_when_delivered_then_signed_and_one_id_for_all_attempts(receiver, monkeypatch):
    channel = webhook_channel(receiver)
    delivery = queue(channel)
    receiver.replies = [Reply(503, {"error": "busy"})]
    send_due()
    later(monkeypatch, timedelta(minutes=2))
    assert send_due() == 1
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.uid
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"].startswith("v1,")
    assert first.headers["content-type"] == "application/json"
    assert [one["text"][:3] for one in Delivery.objects.get().log] == ["503", "200"]


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        (Reply(302, headers={"Location": "https://elsewhere.example/"}), "waiting", "https://elsewhere.example/"),
        (Reply(410), "failed", "410"),
        (Reply(cut=True), "waiting", ""),
        (Reply(404, {"no": "such page"}), "waiting", "404"),
    ],
)
def test_webhook_when_not_taken_then_waits_or_ends(receiver, reply, state, words):
    channel = webhook_channel(receiver)
    delivery = queue(channel)
    receiver.replies = [reply]
    send_due()
    channel.refresh_from_db()
    assert state_of(delivery) == state
    assert words in channel.last_error
    assert channel.is_active is (state != "failed")
    assert len(receiver.posts) == 1


def test_webhook_when_the_address_is_not_public_then_nothing_is_sent(receiver, settings):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    queue(webhook_channel(receiver, target=f"https://127.0.0.1:{receiver.server_port}/"))
    send_due()
    assert receiver.posts == []
    assert "not public" in Channel.objects.get().last_error


def test_message_when_it_fails_for_long_then_given_up(receiver, monkeypatch):
    queue(webhook_channel(receiver))
    receiver.reply = Reply(500)
    for _ in range(len(WAITS) + 1):
        assert Delivery.objects.get().state == Delivery.State.WAITING
        send_due()
        later(monkeypatch, timedelta(days=1))
    assert Delivery.objects.get().state == Delivery.State.FAILED
    assert len(receiver.posts) == len(WAITS) + 1


def test_channel_when_it_fails_twice_then_the_other_tells(smtp, receiver, monkeypatch):
    hook = webhook_channel(receiver)
    mail_channel(topics=["money"])
    receiver.reply = Reply(500)
    queue(hook)
    tell_what_is_due()
    assert not Alert.objects.exists()
    later(monkeypatch, timedelta(seconds=10))
    tell_what_is_due()
    tell_what_is_due()
    assert "The channel “Hook” does not reach you" in str(smtp.mails[0]["Subject"])
    assert len(smtp.mails) == 1
    assert not Delivery.objects.filter(channel=hook, kind="alerts").exists(), "it would only wait there"
    receiver.reply = Reply()
    later(monkeypatch, timedelta(minutes=10))
    tell_what_is_due()
    tell_what_is_due()
    assert str(smtp.mails[1]["Subject"]).strip().startswith("Resolved: The channel “Hook”")


@pytest.mark.django_db(transaction=True)
def test_channels_when_one_hangs_then_the_others_are_not_slower(smtp, receiver):
    """The mail is there while the webhook still waits for its answer."""
    receiver.hold = threading.Event()
    queue(webhook_channel(receiver))
    queue(mail_channel())
    results: list[int] = []
    sender = threading.Thread(target=lambda: results.append(in_thread(send_due)))
    sender.start()
    assert soon(lambda: smtp.mails and receiver.posts)
    assert sender.is_alive()
    receiver.hold.set()
    sender.join()
    assert results == [2]


def soon(holds: Callable[[], Any], *, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(holds())


def in_thread(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        connections.close_all()


def test_message_when_sent_again_then_once_more(smtp):
    delivery = queue(mail_channel())
    assert not send_again(delivery), "it waits already"
    send_due()
    assert send_again(delivery)
    assert send_due() == 1
    assert len(smtp.mails) == 2


def test_channel_when_corrected_then_what_waits_follows(smtp):
    channel = mail_channel()
    queue(channel)
    smtp.refusals["RCPT"] = "550 no such person"
    send_due()
    smtp.refusals.clear()
    assert retry_now(channel) == 1
    assert send_due() == 1


def test_secrets_when_keys_rotate_then_those_of_channels_too(db):
    found = {kind.column for kind in KINDS if kind.model is Channel}
    assert found == {"secret_encrypted", "old_secret_encrypted"}
    assert decrypt(telegram_channel().secret_encrypted) == Telegram.TOKEN
