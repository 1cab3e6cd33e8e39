"""Channels in the admin: set up, linked, tested, and told apart from what others may see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from panel.channels.models import Channel, Delivery
from panel.lib.crypto import decrypt
from tests.panel.channels.conftest import mail_channel, telegram_channel, webhook_channel
from tests.panel.channels.servers import Reply, Telegram

pytestmark = pytest.mark.django_db

ADD = "/admin/channels/channel/add/"
WHEN = {"pace": "at_once", "daily_at": "08:00", "is_active": "on"}


def page(channel: Channel, name: str = "change") -> str:
    return reverse(f"admin:channels_channel_{name}", args=[channel.pk])


def errors_of(response: Any) -> dict[str, list[str]]:
    return {name: list(found) for name, found in response.context["adminform"].form.errors.items()}


def test_list_when_there_is_no_channel_then_says_what_one_is_for(staff_client: Client):
    text = staff_client.get("/admin/channels/channel/").content.decode()
    assert "Nobody is told yet" in text
    mail_channel()
    assert "Nobody is told yet" not in staff_client.get("/admin/channels/channel/").content.decode()


@pytest.mark.parametrize(
    ("data", "target", "next_page"),
    [
        ({"kind": "mail", "addresses": "a@example.org , b@example.org"}, "a@example.org, b@example.org", "send_test"),
        ({"kind": "webhook", "url": "https://ops.example/upmark"}, "https://ops.example/upmark", "new_secret"),
        ({"kind": "telegram", "bot_token": Telegram.TOKEN}, "", "link_chat"),
    ],
)
def test_channel_when_added_then_leads_on_to_what_is_missing(staff_client: Client, data, target, next_page):
    response = staff_client.post(ADD, {"name": "Mine", "topics": ["money"], **WHEN, **data})
    channel = Channel.objects.get()
    assert response.url == page(channel, next_page)
    assert (channel.target, channel.topics) == (target, ["money"])
    if data["kind"] == "telegram":
        assert decrypt(channel.secret_encrypted) == Telegram.TOKEN
        assert Telegram.TOKEN not in staff_client.get(page(channel)).content.decode()


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"kind": "mail", "addresses": ""}, "addresses", "needed to reach you"),
        ({"kind": "mail", "addresses": "a@example.org, nonsense"}, "addresses", "“nonsense” is no e-mail address"),
        ({"kind": "mail", "addresses": " ".join(["a@example.org"] * 11)}, "addresses", "At most 10"),
        ({"kind": "telegram", "bot_token": "12:short"}, "bot_token", "A token looks like"),
        ({"kind": "webhook", "url": "ftp://x.example/"}, "url", "begins with https://"),
        ({"kind": "webhook", "url": "https://me:secret@x.example/"}, "url", "name and password"),
        ({"kind": "mail", "addresses": "a@example.org", "quiet_from": "23:00"}, "quiet_until", "Give both times"),
    ],
)
def test_form_when_filled_in_wrong_then_says_so_at_the_field(staff_client: Client, data, field, words):
    response = staff_client.post(ADD, {"name": "Mine", **WHEN, **data})
    assert words in errors_of(response)[field][0]
    assert not Channel.objects.exists()


def test_address_when_http_in_production_then_refused(staff_client: Client, settings):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    response = staff_client.post(ADD, {"name": "Mine", **WHEN, "kind": "webhook", "url": "http://x.example/"})
    assert "https://" in errors_of(response)["url"][0]


def test_token_when_left_empty_then_kept_and_a_new_one_needs_a_new_link(staff_client: Client):
    channel = telegram_channel(topics=["money"])
    form = staff_client.get(page(channel)).context["adminform"].form
    assert form.initial["topics"] == ["money"]
    staff_client.post(page(channel), {"name": "Other", **WHEN})
    channel.refresh_from_db()
    assert (channel.name, channel.target, decrypt(channel.secret_encrypted)) == ("Other", "-1001", Telegram.TOKEN)
    staff_client.post(page(channel), {"name": "Other", **WHEN, "bot_token": "987654321:another-token-of-these-tests"})
    channel.refresh_from_db()
    assert channel.target == ""


def test_test_when_sent_then_says_whether_it_arrived(staff_client: Client, smtp):
    channel = mail_channel()
    response = staff_client.post(page(channel, "send_test"), follow=True)
    assert "Look whether it has reached you" in response.content.decode()
    assert "No alert is open." in smtp.mails[0].get_content()
    smtp.refusals["RCPT"] = "550 no such person"
    response = staff_client.post(page(channel, "send_test"), follow=True)
    assert "550 no such person" in response.content.decode()
    assert Channel.objects.get().failing_since


def test_chat_when_the_code_was_sent_then_linked_once(staff_client: Client, telegram):
    channel = telegram_channel(target="")
    text = staff_client.get(page(channel, "link_chat")).content.decode()
    code = re.search(r"start=([0-9a-f]+)", text)[1]  # type: ignore[index]
    assert "@upmark_bot" in text
    telegram.somebody_writes("/start guessed", chat=666)
    response = staff_client.post(page(channel, "link_chat"), {"code": code})
    assert "Nobody has sent the code" in response.content.decode()
    telegram.somebody_writes(f"/start {code}", chat=-77, title="Owners")
    response = staff_client.post(page(channel, "link_chat"), {"code": code}, follow=True)
    assert "The chat “Owners” is linked" in response.content.decode()
    channel.refresh_from_db()
    assert channel.target == "-77"
    telegram.somebody_writes(f"/start {code}", chat=666)
    staff_client.post(page(channel, "link_chat"), {"code": code})
    channel.refresh_from_db()
    assert channel.target == "-77"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401, {"ok": False, "description": "Unauthorized"}), "Telegram says: 401 Unauthorized"),
        (Reply(409, {"ok": False, "description": "Conflict: a webhook is active"}), "409 Conflict"),
        (Reply(cut=True), "Telegram says: "),
    ],
)
def test_link_when_telegram_refuses_then_says_why(staff_client: Client, telegram, reply, words):
    telegram.reply, telegram.replies = reply, [reply]
    response = staff_client.get(page(telegram_channel(target=""), "link_chat"))
    assert words in response.content.decode()


def test_secret_when_made_then_shown_once_and_the_old_one_signs_on(staff_client: Client, receiver):
    channel = webhook_channel(receiver)
    old = decrypt(channel.secret_encrypted)
    form = staff_client.get(page(channel, "new_secret"))
    assert old not in form.content.decode()
    data = {"seen": form.context["seen"]}
    shown = staff_client.post(page(channel, "new_secret"), data)
    assert "no-store" in shown["Cache-Control"]
    channel.refresh_from_db()
    new = decrypt(channel.secret_encrypted)
    assert new in shown.content.decode()
    assert decrypt(channel.old_secret_encrypted) == old
    again = staff_client.post(page(channel, "new_secret"), data)
    assert "Nothing was done" in again.content.decode()
    staff_client.post(page(channel, "send_test"))
    assert len(receiver.posts[0].headers["webhook-signature"].split()) == 2


def test_delivery_when_sent_again_from_its_page_then_waits(staff_client: Client, smtp):
    channel = mail_channel()
    staff_client.post(page(channel, "send_test"))
    delivery = Delivery.objects.get()
    address = reverse("admin:channels_delivery_send_again", args=[delivery.pk])
    form = staff_client.get(address)
    staff_client.post(address, {"seen": form.context["seen"]})
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.WAITING
    text = staff_client.get(reverse("admin:channels_delivery_change", args=[delivery.pk])).content.decode()
    assert "taken by the mail server" in text
