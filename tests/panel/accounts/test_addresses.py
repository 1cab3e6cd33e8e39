"""E-mail addresses: who changes them, what ends with that, and who gets a mail. Only people set their own passwords."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.account.utils import filter_users_by_email
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends import locmem
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse

from panel.accounts import tasks
from panel.accounts.adapter import AccountAdapter
from panel.accounts.addresses import AddressRefused, change_address
from panel.accounts.mails import send_account_mails
from panel.accounts.models import AccountMail, User
from panel.accounts.roles import MANAGER, OWNER, ROLES, SUPPORT, set_up_roles
from panel.alerts.models import Alert, Heartbeat
from panel.api.keys.services import make_key, revoke_key
from tests import make
from tests.scenes import Killed, at_once

pytestmark = pytest.mark.django_db

SUPERUSER = "Superuser"
NEW = "carol@example.org"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


def client_of(role: str) -> Client:
    user = make.customer(f"the-{role.lower()}@example.org")
    if role != SUPERUSER:
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=role == SUPERUSER)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def page(name: str, user: User) -> str:
    return reverse(f"admin:accounts_user_{name}", args=[user.pk])


def posted(client: Client, name: str, user: User, **data: Any) -> Any:
    opened = client.get(page(name, user))
    seen = opened.context["seen"] if opened.status_code == 200 else ""
    return client.post(page(name, user), {"seen": seen, **data})


def stored(user: User) -> tuple[Any, ...]:
    row = User.objects.filter(pk=user.pk).values("email", "password", "session_generation", "is_active").get()
    return row, list(EmailAddress.objects.filter(user=user).order_by("pk").values()), len(mail.outbox)


def reset_link(body: str) -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", body)
    assert found
    return found[1]


def confirm(user: User, email: str = "", *, verified: bool = True, primary: bool = True) -> EmailAddress:
    return EmailAddress.objects.create(user=user, email=email or user.email, verified=verified, primary=primary)


# -- what was exploited ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [*ROLES, SUPERUSER])
def test_password_when_staff_try_to_set_one_then_there_is_no_page(role, customer):
    client = client_of(role)
    with pytest.raises(NoReverseMatch):
        reverse("admin:auth_user_password_change", args=[customer.pk])
    before = stored(customer)
    new = {"password1": "mine mine mine 1", "password2": "mine mine mine 1", "usable_password": "true"}
    for path in (f"/admin/accounts/user/{customer.pk}/password/", page("change", customer)):
        assert "password1" not in client.get(path, follow=True).content.decode()
        client.post(path, {**new, "password": "pbkdf2_sha256$1$a$b", "is_active": "on"})
    assert stored(customer) == before
    assert Client().login(email=customer.email, password=PASSWORD)


@pytest.mark.parametrize("role", [*ROLES, SUPERUSER])
def test_address_when_posted_with_the_account_form_then_unchanged(role, customer):
    client = client_of(role)
    before = stored(customer)
    assert 'name="email"' not in client.get(page("change", customer)).content.decode()
    answer = client.post(page("change", customer), {"email": NEW, "first_name": "Al", "is_active": "on"})
    assert answer.status_code == 302
    assert stored(customer) == before
    assert User.objects.get(pk=customer.pk).first_name == "Al"


@pytest.mark.parametrize("role", [MANAGER, SUPPORT])
def test_address_when_staff_are_no_owners_then_refused(role, customer):
    client = client_of(role)
    before = stored(customer)
    assert client.get(page("change_address", customer)).status_code == 403
    assert client.post(page("change_address", customer), {"address": NEW, "seen": ""}).status_code == 403
    assert stored(customer) == before


@pytest.mark.parametrize("who", ["oneself", "a superuser"])
def test_address_when_owners_may_not_change_account_then_refused(who, customer, staff):
    client = client_of(OWNER)
    user = staff if who == "a superuser" else User.objects.get(email="the-owner@example.org")
    before = stored(user)
    assert client.get(page("change_address", user)).status_code == 403
    assert client.post(page("change_address", user), {"address": NEW, "seen": ""}).status_code == 403
    assert stored(user) == before


def test_hashes_when_staff_filter_lists_by_them_then_nothing_leaks(customer):
    client = client_of(SUPPORT)
    for lookup in ("password__startswith", "groups__user__password__startswith"):
        answer = client.get(reverse("admin:accounts_user_changelist"), {lookup: "a"})
        assert answer.status_code in (302, 400)


def test_allauth_admin_when_opened_then_no_addresses_or_secrets(customer):
    registered = admin.site._registry
    assert EmailAddress not in registered
    factors = {model: found for model, found in registered.items() if model.__name__ == "Authenticator"}
    for model, found in factors.items():
        made = model.objects.create(user=customer, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
        text = client_of(SUPERUSER).get(reverse("admin:mfa_authenticator_change", args=[made.pk])).content.decode()
        assert customer.email in text
        assert "JBSWY3DPEHPK3PXP" not in text
        assert not found.has_add_permission(None)
    assert factors


# -- another address ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [OWNER, SUPERUSER])
def test_address_when_changed_by_an_owner_then_everything_old_ends(role, customer, settings):
    confirm(customer)
    confirm(customer, "second@example.org", primary=False)
    signed_in = Client()
    assert signed_in.login(email=customer.email, password=PASSWORD)
    old = customer.email
    Client().post(reverse("account_reset_password"), {"email": old})
    link = reset_link(mail.outbox[-1].body)
    mail.outbox.clear()

    answer = posted(client_of(role), "change_address", customer, address="Carol@Example.org")

    assert answer.status_code == 302
    customer.refresh_from_db()
    assert customer.email == NEW
    addresses = EmailAddress.objects.filter(user=customer).values_list("email", "primary", "verified")
    assert list(addresses) == [(NEW, True, False)]
    assert signed_in.get(reverse("account")).status_code == 302
    assert "password1" not in Client().get(link, follow=True).content.decode()
    for gone in (old, "second@example.org"):
        assert filter_users_by_email(gone) == []
        assert not Client().login(email=gone, password=PASSWORD)
        Client().post(reverse("account_reset_password"), {"email": gone})
    assert not any("/password/reset/key/" in one.body for one in mail.outbox)
    assert Client().login(email=NEW, password=PASSWORD)
    assert f"{old} and is {NEW}" in LogEntry.objects.get().change_message


def test_address_when_changed_then_both_get_a_mail_with_the_keys(customer, settings):
    settings.SUPPORT_EMAIL = "help@example.org"
    make_key(customer=customer, name="Shop")
    revoke_key(key=make_key(customer=customer, name="Gone").key)
    old = customer.email
    change_address(user=customer, address=NEW)
    assert mail.outbox == []  # A task sends it, retrying as needed: a process killed here loses nothing.
    tasks.send_account_mails()
    assert sorted(one.to[0] for one in mail.outbox) == [old, NEW]
    for one in mail.outbox:
        for word in (old, NEW, "Shop", "never used", "help@example.org", "signed out"):
            assert word in one.body
        assert "Gone" not in one.body
    assert Heartbeat.objects.filter(task="send_account_mails").exists()
    send_account_mails()
    assert len(mail.outbox) == 2


def test_address_when_there_are_no_keys_then_the_mail_lists_none(customer, capsys):
    change_address(user=customer, address=NEW)
    call_command("send_account_mails")
    assert "2 mails sent." in capsys.readouterr().out
    assert "No API key can use the account." in mail.outbox[0].body


def test_address_mail_when_server_is_down_then_sent_later(customer, monkeypatch):
    change_address(user=customer, address=NEW)

    def refuse(*args: Any) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(locmem.EmailBackend, "open", refuse)
        assert send_account_mails() == 0
    assert Alert.objects.get(resolved_at=None).cause == "account-mails"
    assert send_account_mails() == 2
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_address_when_changed_many_times_at_once_then_only_once(customer):
    def change(number: int) -> str:
        try:
            change_address(user=User.objects.get(email="alice@example.org"), address=f"new-{number}@example.org")
        except (AddressRefused, User.DoesNotExist):
            return "refused"
        finally:
            connection.close()
        return "changed"

    assert sorted(at_once(4, change)) == ["changed", "refused", "refused", "refused"]
    customer.refresh_from_db()
    assert list(EmailAddress.objects.filter(user=customer).values_list("email")) == [(customer.email,)]
    assert set(AccountMail.objects.values_list("new")) == {(customer.email,)}


def test_address_when_change_is_killed_midway_then_nothing_changed(customer, monkeypatch):
    confirm(customer)
    before = stored(customer)

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(AccountMail.objects, "bulk_create", die)
    with pytest.raises(Killed):
        change_address(user=customer, address=NEW)
    assert stored(customer) == before


@pytest.mark.parametrize("how", ["signs in with it", "signs in with it in capitals", "confirmed it"])
def test_address_when_taken_by_another_account_then_refused(how, customer, other):
    if how == "confirmed it":
        confirm(other, NEW, primary=False)
    address = {"confirmed it": NEW, "signs in with it": other.email}.get(how, other.email.upper())
    before = stored(customer)
    answer = posted(client_of(OWNER), "change_address", customer, address=address)
    assert "Another account has this address. Nothing was changed." in answer.content.decode()
    assert stored(customer) == before


@pytest.mark.parametrize(
    "address", ["", "no address", "alice@example.org", "a" * 250 + "@example.org", "a@b\nBcc: c@d.e"]
)
def test_address_when_invalid_or_unchanged_then_form_shows_error(address, customer):
    before = stored(customer)
    answer = posted(client_of(OWNER), "change_address", customer, address=address)
    assert answer.status_code == 200
    assert stored(customer) == before


def test_address_when_the_page_is_outdated_then_refused(customer):
    client = client_of(OWNER)
    seen = client.get(page("change_address", customer)).context["seen"]
    change_address(user=customer, address="meanwhile@example.org")
    answer = client.post(page("change_address", customer), {"seen": seen, "address": NEW})
    assert "It changed since you opened this page" in answer.content.decode()
    assert User.objects.get(pk=customer.pk).email == "meanwhile@example.org"


def test_keys_when_the_address_changed_then_they_still_work(customer):
    """The mail names them; ending them would stop the programs of a customer who only has a new mailbox."""
    made = make_key(customer=customer, name="Shop")
    change_address(user=customer, address=NEW)
    answer = Client().post(reverse("api_v2"), {"key": made.secret, "action": "balance"})
    assert answer.json()["balance"] == "10"


# -- sessions ----------------------------------------------------------------------------------------


def test_sessions_when_never_ended_then_their_hash_is_unchanged(customer):
    """A session from the release before has the same hash: an upgrade signs nobody out."""
    plain = super(User, customer)._get_session_auth_hash()
    assert customer.get_session_auth_hash() == plain
    hashes = {plain}
    for generation in (1, 2, 11):
        customer.session_generation = generation
        hashes.add(customer.get_session_auth_hash())
    assert len(hashes) == 4


# -- what was read before must not be written back ---------------------------------------------------


@pytest.mark.parametrize("change", ["address", "password", "sessions"])
def test_password_when_the_account_changed_meanwhile_then_not_set(change, customer):
    """The link was valid when the request began; the account changed while the new password was hashed."""
    seen = User.objects.get(pk=customer.pk)
    if change == "address":
        change_address(user=customer, address=NEW)
    elif change == "password":
        customer.set_password("another horse battery")
        customer.save()
    else:
        User.objects.filter(pk=customer.pk).update(session_generation=5)
    before = stored(customer)
    with pytest.raises(PermissionDenied):
        AccountAdapter().set_password(seen, "mine mine mine 1")
    assert stored(customer) == before


def test_name_when_address_changed_meanwhile_then_new_address_kept(customer, monkeypatch):
    client = Client()
    client.force_login(customer)
    save = User.save

    def slow_save(user: User, *args: Any, **kwargs: Any) -> None:
        change_address(user=User.objects.get(pk=customer.pk), address=NEW)
        save(user, *args, **kwargs)

    monkeypatch.setattr(User, "save", slow_save)
    client.post(reverse("account"), {"first_name": "Al", "last_name": "Ice"})
    customer.refresh_from_db()
    assert (customer.email, customer.first_name, customer.session_generation) == (NEW, "Al", 1)


# -- links to set a password -------------------------------------------------------------------------


@pytest.mark.parametrize("role", [*ROLES, SUPERUSER])
def test_link_when_sent_by_staff_then_only_the_customer_gets_it(role, customer):
    before = stored(customer)[:2]
    answer = posted(client_of(role), "send_password_link", customer)
    assert answer.status_code == 302
    assert stored(customer)[0] == before[0]
    (sent,) = mail.outbox
    assert sent.to == [customer.email]
    link = reset_link(sent.body)
    opened = Client()
    form = opened.get(link, follow=True)
    new = {"password1": "my own words 9", "password2": "my own words 9"}
    assert opened.post(form.request["PATH_INFO"], new).status_code == 302
    assert Client().login(email=customer.email, password="my own words 9")
    assert "A link to set a new password was sent" in LogEntry.objects.get().change_message
    # Neither the page nor the activity log contains the link.
    text = answer.content.decode() + LogEntry.objects.get().change_message
    assert link.rpartition("/key/")[2] not in text


def test_link_when_staff_only_open_the_page_then_nothing_is_sent(customer):
    assert client_of(SUPPORT).get(page("send_password_link", customer)).status_code == 200
    assert mail.outbox == []


@pytest.mark.parametrize("role", [MANAGER, SUPPORT])
def test_link_when_for_other_staff_then_only_owners_may_send_it(role):
    colleague = make.customer("colleague@example.org")
    User.objects.filter(pk=colleague.pk).update(is_staff=True)
    client = client_of(role)
    assert client.get(page("send_password_link", colleague)).status_code == 403
    assert client.post(page("send_password_link", colleague), {"seen": ""}).status_code == 403
    assert mail.outbox == []
    assert posted(client_of(OWNER), "send_password_link", colleague).status_code == 302
    assert len(mail.outbox) == 1


def test_link_when_the_account_is_inactive_then_not_offered(customer):
    User.objects.filter(pk=customer.pk).update(is_active=False)
    assert client_of(OWNER).post(page("send_password_link", customer), {"seen": ""}).status_code == 403
    assert mail.outbox == []


def test_link_when_mail_server_is_down_then_staff_see_an_error(customer, monkeypatch):
    def refuse(*args: Any) -> None:
        raise OSError("no such host")

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", refuse)
    answer = posted(client_of(SUPPORT), "send_password_link", customer)
    assert "The mail server did not take it." in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_link_when_sent_too_often_then_staff_have_to_wait(customer, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "2/m/key"}
    client = client_of(SUPPORT)
    answers = [posted(client, "send_password_link", customer) for _ in range(3)]
    assert [one.status_code for one in answers] == [302, 302, 200]
    assert "Wait a minute" in answers[-1].content.decode()
    assert len(mail.outbox) == 2


def test_link_when_others_confirmed_the_address_then_not_for_them(customer, other):
    confirm(other, customer.email, primary=False)
    posted(client_of(SUPPORT), "send_password_link", customer)
    (sent,) = mail.outbox
    opened = Client()
    form = opened.get(reset_link(sent.body), follow=True)
    opened.post(form.request["PATH_INFO"], {"password1": "my own words 9", "password2": "my own words 9"})
    assert Client().login(email=customer.email, password="my own words 9")
    assert not Client().login(email=other.email, password="my own words 9")


@pytest.mark.parametrize(("verified", "mails"), [(False, 0), (True, 1)])
def test_link_when_for_another_address_then_it_must_be_confirmed(verified, mails, customer):
    """A mistyped additional address is a stranger's, who could otherwise set the customer's password."""
    confirm(customer)
    confirm(customer, "typo@example.org", verified=verified, primary=False)
    Client().post(reverse("account_reset_password"), {"email": "typo@example.org"})
    assert len([one for one in mail.outbox if "/password/reset/key/" in one.body]) == mails


# -- accounts that nobody signs in to ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "use the new address and the same password"),
        ({"is_active": False}, "the account is switched off"),
        ({"is_active": False, "password": "!"}, "the account has no password"),
    ],
)
def test_address_mail_when_sign_in_impossible_then_reason_shown(values, words, customer):
    User.objects.filter(pk=customer.pk).update(**values)
    change_address(user=customer, address=NEW)
    send_account_mails()
    assert all(words in one.body for one in mail.outbox)


def test_address_when_of_an_invited_person_then_the_invitation_ends():
    user = make.invited("dave@example.org")
    answer = posted(client_of(OWNER), "change_address", user, address=NEW)
    assert answer.status_code == 302
    assert "The invitation ended with it: invite them again." in LogEntry.objects.get().change_message
    user.refresh_from_db()
    assert (user.email, user.invited_at, user.is_active) == (NEW, None, False)
