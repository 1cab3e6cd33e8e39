"""An owner moves an account during a request of whoever holds the old mailbox.

Such a request read the account earlier, and allauth writes back rows that it read. The change must win completely.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from allauth.account import utils as allauth_utils
from allauth.account.forms import EmailAwarePasswordResetTokenGenerator
from allauth.account.managers import EmailAddressManager
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse

from panel.accounts import adapter, address_views, forms
from panel.accounts.addresses import AddressRefused, change_address, hold_account
from panel.accounts.models import ApiKey, User
from panel.api.keys.services import make_key

NEW = "carol@example.org"
OLD = "alice@example.org"
SECOND = "second@example.org"
PASSWORD = "correct horse battery"
GUARDED = {"primary": address_views, "remove": address_views, "add": forms, "confirm": adapter}


def move() -> None:
    """Change the address in its own connection, like another process; if refused, retry as staff would."""
    user = User.objects.get(email=OLD)
    try:
        try:
            change_address(user=user, address=NEW)
        except AddressRefused:
            user.refresh_from_db()
            change_address(user=user, address=NEW)
    finally:
        connection.close()


@contextmanager
def move_during(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin the change when `owner.name` is called. Unless a lock holds it off, it finishes before the call goes on."""
    real = getattr(owner, name)
    other = threading.Thread(target=move)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        only_reads = name == "user_email" and not kwargs
        if not other.ident and not only_reads:
            other.start()
            other.join(timeout=1)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        yield
    other.join(timeout=60)
    assert other.ident and not other.is_alive()


def request_of(what: str, customer: User) -> Callable[[], Any]:
    """Return the request of the old holder, who was signed in when it began."""
    # The sign-in address is removed only while none is confirmed.
    is_first = what != "remove"
    EmailAddress.objects.create(user=customer, email=OLD, primary=is_first, verified=is_first)
    second = EmailAddress.objects.create(user=customer, email=SECOND, primary=False, verified=what == "primary")
    client = Client(raise_request_exception=False)
    client.force_login(customer)
    if what == "confirm":
        key = EmailConfirmationHMAC(second).key
        return lambda: client.post(reverse("account_confirm_email", args=[key]))
    email = {"primary": SECOND, "remove": OLD, "add": "x@example.org"}[what]
    return lambda: client.post(reverse("account_email"), {f"action_{what}": "", "email": email, "password": PASSWORD})


def addresses(customer: User) -> tuple[str, list[Any]]:
    customer.refresh_from_db()
    return customer.email, list(EmailAddress.objects.filter(user=customer).values_list("email", "verified"))


WITHIN = {
    "primary": (EmailAddress, "set_as_primary"),
    "remove": (allauth_utils, "user_email"),
    "add": (EmailAddressManager, "get_or_create"),
    "confirm": (EmailAddress, "set_verified"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", WITHIN)
def test_address_when_moved_during_a_request_then_old_one_removed(what, customer, monkeypatch):
    send = request_of(what, customer)
    with move_during(*WITHIN[what], monkeypatch):
        send()
    assert addresses(customer) == (NEW, [(NEW, False)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", WITHIN)
def test_address_when_account_not_locked_then_old_holder_keeps_it(what, customer, monkeypatch):
    """Guard off: the race itself."""
    send = request_of(what, customer)
    monkeypatch.setattr(GUARDED[what], "hold_account", lambda user: nullcontext())
    with move_during(*WITHIN[what], monkeypatch):
        send()
    assert addresses(customer) != (NEW, [(NEW, False)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", WITHIN)
def test_address_when_moved_just_before_then_the_request_is_refused(what, customer, monkeypatch):
    send = request_of(what, customer)

    def late(user: User) -> Any:
        other = threading.Thread(target=move)
        other.start()
        other.join()
        return hold_account(user)

    monkeypatch.setattr(GUARDED[what], "hold_account", late)
    assert send().status_code in (302, 403)
    assert addresses(customer) == (NEW, [(NEW, False)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", WITHIN)
def test_address_when_not_moved_then_customers_change_their_own(what, customer):
    send = request_of(what, customer)
    mail.outbox.clear()
    assert send().status_code == 302
    email, known = addresses(customer)
    if what == "primary":
        assert (email, EmailAddress.objects.get_primary(customer).email) == (SECOND, SECOND)
    elif what == "add":
        assert ("x@example.org", False) in known
        assert [one.to for one in mail.outbox] == [["x@example.org"]]
    elif what == "remove":
        assert (email, known) == (SECOND, [(SECOND, False)])
    else:
        assert (SECOND, True) in known


@pytest.mark.django_db
def test_address_when_added_again_after_move_then_grants_no_access(customer):
    """allauth may add the address for an earlier request, and its holder may try to confirm it a day later."""
    change_address(user=User.objects.get(pk=customer.pk), address=NEW)
    noted = EmailAddress.objects.create(user=customer, email=OLD)
    mail.outbox.clear()
    Client().post(reverse("account_confirm_email", args=[EmailConfirmationHMAC(noted).key]))
    Client().post(reverse("account_reset_password"), {"email": OLD})
    assert addresses(customer) == (NEW, [(NEW, False)])
    assert not any("/password/reset/key/" in one.body for one in mail.outbox)


@pytest.mark.django_db
def test_address_when_account_is_moved_back_then_it_can_be_confirmed(customer):
    for address in (NEW, OLD):
        change_address(user=User.objects.get(pk=customer.pk), address=address)
    Client().post(reverse("account_confirm_email", args=[EmailConfirmationHMAC(EmailAddress.objects.get()).key]))
    assert addresses(customer) == (OLD, [(OLD, True)])


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["action_primary", "action_remove"])
def test_address_when_taken_by_another_account_then_error_is_shown(action, customer, other):
    """allauth lets anybody add any address, so as not to reveal who uses it."""
    EmailAddress.objects.create(user=customer, email=OLD, primary=False)
    EmailAddress.objects.create(user=customer, email=other.email)
    client = Client()
    client.force_login(customer)
    before = addresses(customer)
    sent = {action: "", "email": other.email if action == "action_primary" else OLD}
    page = client.post(reverse("account_email"), sent, follow=True)
    assert "Another account signs in with this address. Nothing was changed." in page.content.decode()
    assert addresses(customer) == before


@pytest.mark.django_db
def test_key_when_address_moved_after_page_read_then_not_created(customer):
    """The mail about the new address lists all existing keys."""
    seen = User.objects.get(pk=customer.pk)
    change_address(user=customer, address=NEW)
    with pytest.raises(PermissionDenied):
        make_key(customer=seen, name="Mine")
    assert not ApiKey.objects.exists()


# -- signing in meanwhile ----------------------------------------------------------------------------


@pytest.fixture
def moved_while_hashing(customer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the change during the slow check of a correct password."""
    real = User.check_password

    def slow(user: User, raw: str) -> bool:
        right = real(user, raw)
        for one in User.objects.filter(email=OLD):
            change_address(user=one, address=NEW)
        return right

    monkeypatch.setattr(User, "check_password", slow)


@pytest.mark.django_db
@pytest.mark.parametrize("verification", ["optional", "mandatory"])
def test_sign_in_when_address_moves_meanwhile_then_refused(verification, customer, moved_while_hashing, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    EmailAddress.objects.create(user=customer, email=OLD, primary=True, verified=True)
    client = Client()
    answer = client.post(reverse("account_login"), {"login": OLD, "password": PASSWORD})
    assert answer.status_code == 403
    assert addresses(customer) == (NEW, [(NEW, False)])
    assert mail.outbox == []
    assert client.get(reverse("account")).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("moves", [True, False])
def test_sign_in_when_address_moved_before_two_factor_then_refused(moves, customer):
    EmailAddress.objects.create(user=customer, email=OLD, primary=True, verified=True)
    secret = generate_totp_secret()
    TOTP.activate(customer, secret)
    client = Client()
    client.post(reverse("account_login"), {"login": OLD, "password": PASSWORD})
    if moves:
        change_address(user=User.objects.get(pk=customer.pk), address=NEW)
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    assert client.post(reverse("mfa_authenticate"), {"code": code}).status_code == (403 if moves else 302)
    assert client.get(reverse("account")).status_code == (302 if moves else 200)


# -- links to set a password -------------------------------------------------------------------------


def link() -> str:
    found = re.search(r"/account/password/reset/key/\S+", mail.outbox[-1].body)
    assert found
    return found[0]


def is_good(address: str) -> bool:
    return "password1" in Client().get(address, follow=True).content.decode()


@pytest.mark.django_db
def test_link_when_the_address_comes_back_then_it_stays_invalid(customer):
    Client().post(reverse("account_reset_password"), {"email": OLD})
    assert is_good(link())
    change_address(user=User.objects.get(pk=customer.pk), address=NEW)
    change_address(user=User.objects.get(pk=customer.pk), address=OLD)
    assert not is_good(link())


@pytest.mark.django_db
def test_link_when_requested_during_an_address_move_then_invalid(customer, monkeypatch):
    EmailAddress.objects.create(user=customer, email=OLD, primary=True, verified=True)
    real = adapter.ResetTokens.make_token

    def late(tokens: Any, user: User) -> str:
        change_address(user=User.objects.get(pk=customer.pk), address=NEW)
        return real(tokens, user)

    monkeypatch.setattr(adapter.ResetTokens, "make_token", late)
    Client().post(reverse("account_reset_password"), {"email": OLD})
    assert not is_good(link())
    assert addresses(customer) == (NEW, [(NEW, False)])


@pytest.mark.django_db
def test_link_when_sent_before_generations_existed_then_still_valid(customer):
    """An upgrade ends no link that was sent before."""
    EmailAddress.objects.create(user=customer, email=OLD, primary=True, verified=True)
    assert adapter.ResetTokens().check_token(customer, EmailAwarePasswordResetTokenGenerator().make_token(customer))


@pytest.mark.django_db
def test_mails_when_request_has_other_host_then_links_use_site_url(customer, settings):
    settings.SITE_URL = "https://panel.example.com"
    settings.PANEL_NAME = "Growth & Co"
    host = {"HTTP_HOST": "127.0.0.1"}
    client = Client()
    client.force_login(customer)
    client.post(reverse("account_reset_password"), {"email": OLD}, **host)
    client.post(reverse("account_email"), {"action_add": "", "email": "x@example.org", "password": PASSWORD}, **host)
    Client().post(reverse("account_reset_password"), {"email": "nobody@example.org"}, **host)
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    Client().post(reverse("account_signup"), {"email": OLD, "password1": PASSWORD}, **host)
    assert len(mail.outbox) == 4
    for one in mail.outbox:
        assert "https://panel.example.com/account/" in one.body
        assert "Growth & Co" in one.body
        assert "127.0.0.1" not in one.body


# -- Django's own page -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_password_when_staff_change_theirs_then_on_customer_page(staff_client):
    for answer in (staff_client.get("/admin/password_change/"), staff_client.post("/admin/password_change/", {})):
        assert (answer.status_code, answer.url) == (302, reverse("account_change_password"))
