"""What the owner is told of an alert, on which occasions, and never twice."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.utils import timezone

from panel.alerts.advice import ADVICE, path_about
from panel.alerts.causes import Cause, cause_of
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from panel.channels.deliveries import retry_now
from panel.channels.messages import MAX_IN_WINDOW, tell_once
from panel.channels.models import Channel, Delivery, Notice
from panel.channels.notices import plan_notices
from panel.channels.tell import tell_what_is_due
from tests.panel.channels.conftest import mail_channel, telegram_channel, webhook_channel

pytestmark = pytest.mark.django_db


def bad(text: str = "North does not answer.", *, about: int = 3, level: str = "danger") -> None:
    raise_alert(cause=Cause.UNREACHABLE, about=about, text=text, level=level)


def subjects(smtp: Any) -> list[str]:
    return [str(mail["Subject"]).strip() for mail in smtp.mails]


def later(monkeypatch: pytest.MonkeyPatch, **length: float) -> None:
    """Move the panel's clock ahead."""
    moment = timezone.now() + timedelta(**length)
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_alert_when_raised_then_told_with_all_that_helps(smtp):
    mail_channel(target="owner@example.org, second@example.org")
    bad()
    assert tell_what_is_due() == 1
    (mail,) = smtp.mails
    assert subjects(smtp)[0] == "URGENT · North does not answer. · Upmark"
    assert mail["To"] == "owner@example.org, second@example.org"
    text = mail.get_content().replace("\r\n", "\n")
    assert "North does not answer.\nSince " in text
    assert "What the panel does: Pauses it and tries again." in text
    assert "What you do: Nothing for an hour. Then ask the provider." in text
    assert "http://localhost:8000/admin/catalog/provider/3/change/" in text
    assert tell_what_is_due() == 0


def test_alert_when_open_for_an_hour_then_told_once_more_and_when_resolved(smtp, monkeypatch):
    mail_channel()
    bad()
    tell_what_is_due()
    for minutes in (59, 2, 600):
        later(monkeypatch, minutes=minutes)
        tell_what_is_due()
    resolve_alert(cause=Cause.UNREACHABLE, about=3)
    tell_what_is_due()
    assert subjects(smtp) == [
        "URGENT · North does not answer. · Upmark",
        "URGENT · Still open: North does not answer. · Upmark",
        "Resolved: North does not answer. · Upmark",
    ]
    assert "and is over." in smtp.mails[2].get_content()


def test_alert_when_resolved_before_anybody_heard_then_not_told(smtp):
    mail_channel()
    bad()
    resolve_alert(cause=Cause.UNREACHABLE, about=3)
    assert tell_what_is_due() == 0
    assert smtp.mails == []


def test_alert_when_it_comes_and_goes_then_calm_for_an_hour(smtp, monkeypatch):
    mail_channel()
    for _ in range(5):
        bad()
        tell_what_is_due()
        resolve_alert(cause=Cause.UNREACHABLE, about=3)
        tell_what_is_due()
        later(monkeypatch, minutes=5)
    assert len(smtp.mails) == 2  # Raised and resolved.
    bad()
    tell_what_is_due()
    later(monkeypatch, minutes=61)
    tell_what_is_due()
    assert len(smtp.mails) == 3


def test_alerts_when_several_at_once_then_one_mail_that_names_the_urgent(smtp):
    mail_channel()
    raise_alert(cause=Cause.NO_PRICE, text="3 services have no valid price any more.")
    bad()
    assert tell_what_is_due() == 1
    assert subjects(smtp)[0] == "URGENT · North does not answer. (and 1 more) · Upmark"
    assert "3 services have no valid price any more." in smtp.mails[0].get_content()


def test_alert_when_its_text_has_lines_then_mailed_with_the_others(smtp):
    mail_channel()
    bad("duplicate key\nDETAIL: Key (email)\0\ud800 exists.")
    raise_alert(cause=Cause.DISK, text="The disk is nearly full.", level="danger")
    assert tell_what_is_due() == 1
    text = smtp.mails[0].get_content()
    assert "duplicate key DETAIL: Key (email)? exists." in text
    assert "The disk is nearly full." in text


def test_alerts_when_a_storm_then_few_messages(smtp):
    mail_channel()
    for number in range(MAX_IN_WINDOW + 30):
        bad(f"Trouble {number}.", about=number)
        tell_what_is_due()
    assert len(smtp.mails) == MAX_IN_WINDOW
    assert Notice.objects.filter(delivery=None).count() == 30


def test_digest_when_daily_then_what_is_not_urgent_waits_for_it(smtp, monkeypatch):
    mail_channel(pace="daily", daily_at=time(8))
    morning = timezone.now().replace(hour=9, minute=0)
    monkeypatch.setattr(timezone, "now", lambda: morning)
    raise_alert(cause=Cause.NO_PRICE, text="3 services have no valid price any more.")
    raise_alert(cause=Cause.SETTINGS, text="A setting cannot be used.")
    tell_what_is_due()
    assert smtp.mails == []
    resolve_alert(cause=Cause.SETTINGS)
    tell_what_is_due()
    later(monkeypatch, hours=23, minutes=1)
    tell_what_is_due()
    (mail,) = smtp.mails
    assert Delivery.objects.get().kind == Delivery.Kind.DIGEST
    assert "Resolved: A setting cannot be used." in mail.get_content()


def test_topics_when_chosen_then_others_are_not_told(smtp):
    mail_channel(topics=["money"])
    bad()
    tell_what_is_due()
    assert smtp.mails == []
    raise_alert(cause=Cause.LEDGER, text="The books do not add up.", level="danger")
    tell_what_is_due()
    assert len(smtp.mails) == 1


def test_channel_when_it_becomes_ready_then_tells_what_nobody_could_be_told(smtp):
    bad()
    tell_what_is_due()
    assert Alert.objects.get().told_at is None
    retry_now(mail_channel())
    tell_what_is_due()
    assert len(smtp.mails) == 1


def test_channel_when_added_later_then_tells_each_new_alert(smtp):
    mail_channel(name="First", target="first@example.org")
    bad()
    tell_what_is_due()
    smtp.mails.clear()
    Channel.objects.all().delete()
    retry_now(mail_channel())
    tell_what_is_due()
    assert smtp.mails == []
    bad("South does not answer.", about=4)
    tell_what_is_due()
    assert len(smtp.mails) == 1


def test_channel_when_switched_off_then_silent(smtp):
    mail_channel(is_active=False)
    bad()
    tell_what_is_due()
    assert smtp.mails == []


def test_channel_when_not_set_up_to_the_end_then_silent(telegram, receiver):
    telegram_channel(target="")
    webhook_channel(receiver, secret_encrypted="")
    bad()
    assert tell_what_is_due() == 0
    assert not Channel.objects.exclude(failing_since=None).exists()


def test_telegram_when_raised_then_the_chat_gets_it(telegram):
    telegram_channel()
    bad()
    assert tell_what_is_due() == 1
    (message,) = telegram.messages
    assert message["chat_id"] == "-1001"
    assert message["text"].startswith("URGENT · North does not answer. · Upmark\n\n")


def test_webhook_when_raised_then_one_event_each_with_facts(receiver):
    webhook_channel(receiver)
    bad()
    bad("South does not answer.", about=4)
    assert tell_what_is_due() == 2
    first, second = (post.json for post in receiver.posts)
    assert first["type"] == "alert.raised"
    assert {first["data"]["cause"], second["data"]["cause"]} == {
        "provider:3:unreachable",
        "provider:4:unreachable",
    }
    assert first["data"]["level"] == "urgent"
    assert first["data"]["link"].endswith("/change/")


def test_notice_when_planned_by_several_then_one(smtp):
    """The constraint is the guard: the same plan, made again from what was read before, adds nothing."""
    mail_channel()
    bad()
    alert = Alert.objects.get()
    plan_notices()
    Alert.objects.filter(pk=alert.pk).update(tell_due_at=timezone.now(), told_at=None)
    plan_notices()
    assert Notice.objects.count() == 1


def test_report_when_told_twice_then_once(smtp):
    mail_channel()
    values: dict[str, Any] = {
        "key": "week:2026-W10",
        "subject": "A week",
        "text": "Fine.",
        "event": "report",
        "data": {},
    }
    assert tell_once(channels=Channel.objects.ready(), **values) == 1
    assert tell_once(channels=Channel.objects.ready(), **values) == 0
    tell_what_is_due()
    assert subjects(smtp) == ["A week"]


@pytest.mark.parametrize("cause", Cause)
def test_advice_when_of_any_cause_then_has_words_and_a_page(cause):
    stored = cause.of(7, "detail")
    assert cause_of(stored) == (cause, 7 if "{}" in cause else None)
    advice = ADVICE[cause]
    assert advice.panel_does.endswith(".")
    assert advice.you_do.endswith(".")
    assert (path_about(stored) == "/admin/ops/alert/") is (advice.page == "")


def test_page_when_of_an_unknown_cause_then_the_list_of_alerts():
    assert path_about("gone:7") == "/admin/ops/alert/"


def test_channel_names_when_shown_then_unique():
    mail_channel()
    assert str(Channel.objects.get()) == "Mail"


def test_alert_when_opened_in_the_admin_then_shows_what_to_do(staff_client):
    bad()
    text = staff_client.get(f"/admin/ops/alert/{Alert.objects.get().pk}/change/").content.decode()
    assert "Nothing for an hour. Then ask the provider." in text
    assert 'href="/admin/catalog/provider/3/change/"' in text
