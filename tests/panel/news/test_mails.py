"""Mails about news: only to whom asked, each item once, and ended by one click without signing in."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from panel.accounts.models import User
from panel.alerts.models import Alert
from panel.news import mails
from panel.news.choices import choice_of, choose_mails, next_digest, token_of
from panel.news.mails import plan_mails
from panel.news.models import NewsItem, NewsMail
from panel.news.tell import tell_customers
from panel.site import html_mail
from tests.panel.news.conftest import earlier, ended_order
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def since_yesterday(started: None) -> None:
    pass


def wants(customer: User, pace: str = "at_once") -> None:
    choose_mails(customer=customer, paces={"order_ended": pace})


def later(monkeypatch: pytest.MonkeyPatch, **length: float) -> None:
    """Move the panel's clock ahead."""
    moment = timezone.now() + timedelta(**length)
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_mail_when_nobody_asked_for_it_then_none(customer, service):
    ended_order(customer, service, at=earlier())
    tell_customers()
    assert NewsItem.objects.count() == 1
    assert mail.outbox == [] and not NewsMail.objects.exists()


def test_mail_when_asked_for_then_once_in_text_and_html(customer, service, settings):
    settings.PANEL_NAME = "Bloom & Co"
    wants(customer)
    order = ended_order(customer, service, at=earlier())
    tell_customers()
    tell_customers()
    [sent] = mail.outbox
    assert sent.to == [customer.email]
    assert sent.subject == f"Order {order.pk} was completed: Followers <b>real</b> · Bloom & Co"
    address = f"{settings.SITE_URL}/orders/{order.pk}/"
    assert address in sent.body and "Bloom & Co" in sent.body
    [(html, kind)] = sent.alternatives
    assert kind == "text/html" and f'href="{address}"' in html
    assert "Bloom &amp; Co" in html and "<b>real</b>" not in html and "&lt;b&gt;real" in html
    unsubscribe = f"{settings.SITE_URL}/news/unsubscribe/{token_of(customer.pk)}/"
    assert sent.extra_headers["List-Unsubscribe"] == f"<{unsubscribe}>"
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert unsubscribe in sent.body and unsubscribe in html


def test_mail_when_daily_then_all_of_a_day_in_one(customer, service, monkeypatch):
    wants(customer, "daily")
    ended_order(customer, service, at=earlier())
    ended_order(customer, service, at=earlier(), status="canceled")
    tell_customers()
    assert mail.outbox == []
    later(monkeypatch, days=1)
    tell_customers()
    [sent] = mail.outbox
    assert sent.subject.startswith("2 pieces of news")
    assert "completed" in sent.body and "canceled" in sent.body


def test_digest_when_computed_then_at_eight_of_the_panels_time_zone(settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    with timezone.override("Asia/Kolkata"):
        now = timezone.now()
        at = next_digest(now)
        assert now < at <= now + timedelta(days=1)
        assert (timezone.localtime(at).hour, timezone.localtime(at).minute) == (8, 0)


def test_mail_when_unsubscribed_before_it_is_sent_then_none(customer, service):
    wants(customer)
    ended_order(customer, service, at=earlier())
    mails_planned_by(customer)
    Client().post(f"/news/unsubscribe/{token_of(customer.pk)}/", {"List-Unsubscribe": "One-Click"})
    tell_customers()
    assert mail.outbox == []
    assert NewsMail.objects.get().mail_due_at is None


def mails_planned_by(customer: User) -> None:
    from panel.news.collect import collect_news

    collect_news()
    assert plan_mails() == 1


def test_mail_when_the_account_is_off_then_none(customer, service):
    wants(customer)
    ended_order(customer, service, at=earlier())
    mails_planned_by(customer)
    User.objects.update(is_active=False)
    tell_customers()
    assert mail.outbox == []


def test_mail_when_the_server_is_down_then_kept_and_alerted(customer, service, monkeypatch):
    wants(customer)
    ended_order(customer, service, at=earlier())

    def down(*_: Any) -> None:
        raise OSError

    with monkeypatch.context() as context:
        context.setattr("django.core.mail.backends.locmem.EmailBackend.open", down)
        tell_customers()
    assert Alert.objects.filter(cause="news-mails", resolved_at=None).exists()
    tell_customers()
    assert len(mail.outbox) == 1
    assert not Alert.objects.filter(cause="news-mails", resolved_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_plans_when_two_are_made_at_once_then_each_item_is_in_one_mail(customer, other, service):
    for user in (customer, other):
        wants(user)
        ended_order(user, service, at=earlier())
        ended_order(user, service, at=earlier(), status="partial")
    from panel.news.collect import collect_news

    collect_news()
    assert sum(in_threads(plan_mails, plan_mails)) == NewsMail.objects.count()
    assert NewsItem.objects.filter(mail=None).count() == 0
    assert NewsItem.objects.exclude(mail_at=None).count() == 0


def test_unsubscribing_when_done_without_a_session_then_at_once_and_again_harmless(customer, other):
    wants(customer)
    wants(other)
    address = f"/news/unsubscribe/{token_of(customer.pk)}/"
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(address)
    assert page.status_code == 200 and "<form" in page.content.decode()
    assert choice_of(customer).order_ended == "at_once"
    for _ in range(2):
        answer = strict.post(address, {"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, choice_of(customer).order_ended) == (200, "never")
    assert choice_of(other).order_ended == "at_once"


def test_unsubscribing_when_the_token_is_of_another_then_refused(customer, other):
    wants(other)
    signature = token_of(customer.pk).partition(":")[2]
    for token in (f"{other.pk}:{signature}", str(other.pk), "x", f"{token_of(other.pk)}x"):
        assert Client().post(f"/news/unsubscribe/{token}/").status_code == 400
    assert choice_of(other).order_ended == "at_once"


def test_mail_when_long_then_the_rest_is_counted(customer, service, monkeypatch):
    monkeypatch.setattr(mails, "MAX_LINES", 1)
    wants(customer)
    ended_order(customer, service, at=earlier())
    ended_order(customer, service, at=earlier(), status="canceled")
    tell_customers()
    assert "And 1 more." in mail.outbox[0].body


def test_html_when_made_of_text_then_only_our_addresses_are_links(settings):
    settings.SITE_URL = "https://panel.example"
    text = "Hello <i>you</i>,\nsee https://panel.example/a/?b=1&c=2.\n\nhttps://evil.example/\n\nABC-123"
    texts = html_mail.paragraphs_of(text)
    first = '<a class="link" href="https://panel.example/a/?b=1&amp;c=2">https://panel.example/a/?b=1&amp;c=2</a>.'
    assert texts[0].html == f"Hello &lt;i&gt;you&lt;/i&gt;,<br>see {first}"
    assert texts[1].html == "https://evil.example/"
    assert [one.is_code for one in texts] == [False, False, True]
    assert "<a" not in html_mail.paragraphs_of("https://panel.example.evil.example/")[0].html


@pytest.mark.parametrize("name", ["account_signup", "account_reset_password"])
def test_mail_of_the_library_when_sent_then_the_same_text_in_the_panels_look(name, customer, settings):
    settings.PANEL_NAME, settings.PANEL_ACCENT = "Bloom", "#b0125b"
    settings.EMAIL_VERIFICATION = "mandatory"
    address = {"account_signup": "new@example.org"}.get(name, customer.email)
    Client().post(
        f"/account/{'signup' if name == 'account_signup' else 'password/reset'}/",
        {
            "email": address,
            "password1": "correct horse battery",
        },
    )
    [sent] = mail.outbox
    [(html, _)] = sent.alternatives
    assert "Hello from Bloom!" in sent.body and "Hello from Bloom!" in html
    assert "#b0125b" in html
    link = next(word for word in sent.body.split() if word.startswith(settings.SITE_URL))
    assert f'href="{link}"' in html


def test_mail_when_a_name_is_hostile_then_it_writes_no_header(customer, service):
    wants(customer)
    order = ended_order(customer, service, at=earlier())
    type(order).objects.filter(pk=order.pk).update(service_name="x\r\nBcc: thief@evil.example\r\n\r\n<b>Pay</b>")
    tell_customers()
    parsed = message_from_bytes(mail.outbox[0].message().as_bytes(), policy=policy.default)
    assert parsed["bcc"] is None and [one.addr_spec for one in parsed["to"].addresses] == [customer.email]
    link = parsed["list-unsubscribe"].strip()
    assert link.startswith("<http") and link.endswith("/>") and len(link.split()) == 1
    assert "<b>Pay" not in mail.outbox[0].alternatives[0][0]
