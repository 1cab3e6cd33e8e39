"""Wrong passwords: who is stopped, who is not, and what stays in the log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from allauth.core.internal import ratelimit
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from panel import settings as production
from panel.accounts.adapter import AccountAdapter
from panel.accounts.mails import send_account_mails
from panel.accounts.models import AccountMail, SignIn, User
from panel.accounts.sign_in import log
from panel.accounts.sign_in.wrong_passwords import count_attempt
from panel.ops.pruning.old_rows import prune_notices, prune_sign_ins
from tests.scenes import at_once

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"


@pytest.fixture(autouse=True)
def limits(settings):
    settings.ACCOUNT_RATE_LIMITS = production.ACCOUNT_RATE_LIMITS


def sign_in(email: str, password: str = PASSWORD, *, address: str = "192.0.2.1", client: Client | None = None) -> bool:
    """Return True if they are signed in now."""
    browser = client or Client(headers={"user-agent": FIREFOX})
    browser.post(reverse("account_login"), {"login": email, "password": password}, REMOTE_ADDR=address)
    return browser.get(reverse("account"), REMOTE_ADDR=address).status_code == 200


def attempts(count: int, email: str, *, first: int = 0, client: Client | None = None) -> None:
    """Try wrong passwords, four from each address."""
    for number in range(first, first + count):
        sign_in(email, "wrong", address=f"198.51.100.{number // 4}", client=client)


def fill(email: str, count: int) -> None:
    """Count attempts as the page does, without comparing passwords."""
    for number in range(count):
        request = RequestFactory().post("/", REMOTE_ADDR=f"203.0.113.{number // 4}")
        count_attempt(request, typed=email)


# -- limits ------------------------------------------------------------------------------------------


def test_owner_when_strangers_typed_five_wrong_then_still_signs_in(staff):
    attempts(6, staff.email)
    assert sign_in(staff.email)


def test_account_when_one_address_typed_five_wrong_then_it_waits(customer):
    for _ in range(5):
        sign_in(customer.email, "wrong")
    assert not sign_in(customer.email)
    assert sign_in(customer.email, address="192.0.2.9")


def test_account_when_fifty_wrong_from_everywhere_then_strangers_wait(customer):
    fill(customer.email, 49)
    assert sign_in(customer.email, address="192.0.2.7")  # A right password gives its attempt back.
    assert not sign_in(customer.email, "wrong", address="192.0.2.8")
    assert not sign_in(customer.email, address="192.0.2.9")


def test_device_when_known_then_no_stranger_locks_it_out(customer, other):
    known = Client(headers={"user-agent": FIREFOX})
    assert sign_in(customer.email, client=known)
    known.post(reverse("account_logout"))
    fill(customer.email, 60)
    fill(other.email, 60)
    assert not sign_in(customer.email)
    assert not sign_in(other.email, client=known)  # It is known for one account alone.
    assert sign_in(customer.email, client=known)


def test_device_when_known_then_it_has_a_limit_of_its_own(customer):
    known = Client(headers={"user-agent": FIREFOX})
    assert sign_in(customer.email, client=known)
    known.post(reverse("account_logout"))
    for _ in range(10):
        sign_in(customer.email, "wrong", client=known)
    assert not sign_in(customer.email, client=known)


@pytest.mark.parametrize("change", ["cookie", "generation"])
def test_device_when_cookie_is_forged_or_ended_then_unknown(change, customer):
    known = Client()
    sign_in(customer.email, client=known)
    known.post(reverse("account_logout"))
    name = next(name for name in known.cookies if name.startswith("device"))
    assert known.cookies[name]["httponly"] and known.cookies[name]["samesite"] == "Lax"
    if change == "cookie":
        known.cookies[name] = known.cookies[name].value[:-3] + "abc"
    else:
        User.objects.filter(pk=customer.pk).update(session_generation=1)
    fill(customer.email, 60)
    assert not sign_in(customer.email, client=known)


def test_address_when_it_tries_many_accounts_then_it_waits(customer):
    for number in range(10):
        sign_in(f"nobody{number}@example.org", "wrong")
    assert not sign_in(customer.email)
    assert sign_in(customer.email, address="192.0.2.9")


def test_limit_when_the_host_header_differs_then_it_counts_the_same(customer, settings):
    settings.ALLOWED_HOSTS = ["*"]
    for number in range(5):
        Client(headers={"host": f"h{number}.example"}).post(
            reverse("account_login"), {"login": customer.email, "password": "wrong"}, REMOTE_ADDR="192.0.2.1"
        )
    assert not sign_in(customer.email)


@pytest.mark.parametrize("guarded", [True, False])
def test_limit_when_two_floods_run_at_once_then_no_more_are_tried(guarded, monkeypatch):
    """Guard off: both floods read the count before either writes it."""
    if not guarded:

        @contextmanager
        def unlocked(key):
            yield True

        monkeypatch.setattr(ratelimit, "cache_lock", unlocked)
        read = ratelimit.apply_rate
        monkeypatch.setattr(ratelimit, "apply_rate", lambda *args, **kwargs: (_pause(), read(*args, **kwargs))[1])

    def flood(number):
        request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
        return sum(count_attempt(request, typed="a@example.org") is not None for _ in range(5))

    tried = sum(at_once(2, flood))
    assert (tried <= 5) is guarded


def _pause() -> None:
    time.sleep(0.01)


def test_reset_when_account_was_locked_then_its_owner_signs_in(customer):
    fill(customer.email, 60)
    request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
    AccountAdapter(request)._delete_login_attempts_cached_email(request, email=customer.email)
    assert sign_in(customer.email)


# -- the log -----------------------------------------------------------------------------------------


def rows() -> list[tuple[str, str, int]]:
    return list(SignIn.objects.order_by("pk").values_list("outcome", "typed", "times"))


def test_log_when_people_sign_in_then_who_from_where_and_with_what(customer):
    sign_in(customer.email, "wrong")
    sign_in(customer.email.upper(), "wrong")
    sign_in(customer.email)
    failed, done = SignIn.objects.order_by("pk")
    assert (failed.user, failed.outcome, failed.times, failed.typed) == (customer, "wrong_password", 2, customer.email)
    assert (done.user, done.outcome, done.address, done.agent) == (customer, "signed_in", "192.0.2.1", FIREFOX)
    assert done.is_new_device
    assert "wrong" not in str(SignIn.objects.values("typed", "agent"))


def test_log_when_nobody_has_the_address_then_it_is_kept_as_typed():
    sign_in("nobody@example.org", "wrong")
    assert rows() == [("wrong_password", "nobody@example.org", 1)]
    assert SignIn.objects.get().user is None


def test_log_when_behind_the_proxy_then_the_clients_address(customer, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    Client(headers={"x-forwarded-for": "203.0.113.1, 203.0.113.77"}).post(
        reverse("account_login"), {"login": customer.email, "password": "wrong"}
    )
    assert SignIn.objects.get().address == "203.0.113.77"


def test_log_when_flooded_with_unknown_addresses_then_bounded(monkeypatch, rf):
    monkeypatch.setattr(log, "MAX_FAILURES", 3)
    for number in range(9):
        log.record_failure(rf.post("/"), outcome=SignIn.Outcome.WRONG_PASSWORD, typed=f"n{number}@example.org")
    assert [outcome for outcome, _, _ in rows()] == ["wrong_password"] * 3 + ["further"]
    assert SignIn.objects.get(outcome="further").times == 6


def test_log_when_agent_is_long_or_strange_then_cut(rf):
    request = rf.post("/", headers={"user-agent": "x\x00\n" + "y" * 500})
    assert log.client_agent(request) == ("x" + "y" * 500)[: log.MAX_AGENT]


def test_log_when_old_then_pruned_with_its_mails(customer):
    for days in (10, 200):
        moment = timezone.now() - timedelta(days=days)
        SignIn.objects.create(user=customer, outcome="signed_in", created_at=moment)
        AccountMail.objects.create(user=customer, kind="notice", created_at=moment, mail_due_at=None)
        AccountMail.objects.create(user=customer, kind="address", created_at=moment, mail_due_at=None)
    assert (prune_sign_ins(), prune_sign_ins(), prune_notices(), prune_notices()) == (1, None, 1, None)
    assert AccountMail.objects.filter(kind="address").count() == 2


def test_log_when_owner_opens_it_then_who_and_what(staff_client, customer):
    SignIn.objects.create(user=customer, outcome="wrong_password", times=7, address="192.0.2.1", agent=FIREFOX)
    page = staff_client.get(reverse("admin:accounts_signin_changelist")).content.decode()
    for text in (customer.email, "Wrong password", "192.0.2.1", "Firefox, Windows"):
        assert text in page


# -- new devices -------------------------------------------------------------------------------------


def test_new_device_when_signed_in_then_one_mail_from_the_queue(customer):
    known = Client(headers={"user-agent": FIREFOX})
    sign_in(customer.email, client=known)
    AccountMail.objects.all().delete()
    known.post(reverse("account_logout"))
    sign_in(customer.email, client=known)
    assert not AccountMail.objects.exists()
    sign_in(customer.email)
    send_account_mails()
    (message,) = mail.outbox
    assert message.to == [customer.email]
    assert "192.0.2.1" in message.body and "Firefox" in message.body and "/account/sessions/" in message.body


def test_sign_up_when_first_device_then_no_mail_about_it():
    Client().post(reverse("account_signup"), {"email": "new@example.org", "password1": PASSWORD})
    assert SignIn.objects.filter(user__email="new@example.org", is_new_device=True).exists()
    assert not AccountMail.objects.exists()
