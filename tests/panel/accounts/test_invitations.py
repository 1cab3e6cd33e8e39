"""New accounts by staff: invited by a link that expires, never with a password that somebody else typed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import mail, signing
from django.core.mail.backends import locmem
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from panel.accounts.addresses import change_address
from panel.accounts.invitations import (
    MAX_AGE,
    InvitationOver,
    accept_invitation,
    find_invited,
    link_of,
    renew_invitation,
    withdraw_invitation,
)
from panel.accounts.mails import send_account_mails
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT, set_up_roles
from tests import make
from tests.scenes import Killed, at_once

pytestmark = pytest.mark.django_db

NEW = "carol@example.org"
CHOSEN = {"password1": "my own words 9", "password2": "my own words 9"}
ADD = "/admin/accounts/user/add/"


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


def with_role(role: str) -> User:
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


def signed_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def path_of(text: str) -> str:
    found = re.search(r"https?://[^/\s]+(/account/invitation/\S+)", text)
    assert found
    return found[1]


def invite(client: Client, email: str = NEW, role: str = SUPPORT, **data: Any) -> Any:
    groups = [Group.objects.get(name=role).pk] if role else []
    return client.post(ADD, {"email": email, "first_name": "Carol", "last_name": "", "groups": groups, **data})


@pytest.fixture
def invited() -> User:
    answer = invite(signed_in_as(with_role(OWNER)))
    assert answer.status_code == 302
    send_account_mails()
    return User.objects.get(email=NEW)


def stored(user: User) -> dict[str, Any]:
    return User.objects.filter(pk=user.pk).values().get()


# -- inviting ----------------------------------------------------------------------------------------


def test_colleague_when_invited_then_sets_password_and_signed_in(invited):
    assert (invited.is_active, invited.is_staff, invited.has_usable_password()) == (False, True, False)
    (sent,) = mail.outbox
    assert sent.to == [NEW]
    assert "Hello Carol" in sent.body

    client = Client()
    page = client.get(path_of(sent.body), follow=True)
    assert page.redirect_chain == [(reverse("invitation_accept"), 302)]
    assert NEW in page.content.decode()
    answer = client.post(reverse("invitation_accept"), CHOSEN)
    assert (answer.status_code, answer.url) == (302, reverse("admin:index"))
    assert client.get(reverse("admin:index")).status_code == 200
    assert Client().login(email=NEW, password=CHOSEN["password1"])
    invited.refresh_from_db()
    assert (invited.is_active, invited.invited_at) == (True, None)
    assert [group.name for group in invited.groups.all()] == [SUPPORT]
    address = EmailAddress.objects.get(user=invited)
    assert (address.email, address.verified, address.primary) == (NEW, True, True)


def test_customer_when_invited_without_a_role_then_not_staff():
    invite(signed_in_as(with_role(OWNER)), role="")
    send_account_mails()
    client = Client()
    client.get(path_of(mail.outbox[0].body))
    assert client.post(reverse("invitation_accept"), CHOSEN).url == reverse("order_new")
    user = User.objects.get(email=NEW)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert client.get(reverse("admin:index")).status_code in (302, 403)


def test_form_when_a_password_is_posted_then_ignored(invited):
    page = signed_in_as(User.objects.get(email="the-owner@example.org")).get(ADD).content.decode()
    assert 'type="password"' not in page
    for word in ("my own words 9", ""):
        assert not Client().login(email=NEW, password=word)


def test_form_when_rights_are_posted_then_ignored():
    sent = {"is_superuser": "on", "is_active": "on", "password1": "mine mine mine 1", "password2": "mine mine mine 1"}
    invite(signed_in_as(with_role(OWNER)), role="", **sent)
    user = User.objects.get(email=NEW)
    assert (user.is_superuser, user.is_staff, user.is_active, user.has_usable_password()) == (
        False,
        False,
        False,
        False,
    )


@pytest.mark.parametrize("role", [MANAGER, SUPPORT])
def test_invite_when_staff_are_no_owners_then_refused(role):
    client = signed_in_as(with_role(role))
    one = make.invited("dave@example.org")
    before = stored(one)
    assert client.get(ADD).status_code == 403
    assert invite(client).status_code == 403
    for name in ("invite_again", "withdraw_invitation"):
        address = reverse(f"admin:accounts_user_{name}", args=[one.pk])
        assert (client.get(address).status_code, client.post(address, {"seen": ""}).status_code) == (403, 403)
    assert not User.objects.filter(email=NEW).exists()
    assert (stored(one), mail.outbox) == (before, [])


@pytest.mark.parametrize("address", ["alice@example.org", "ALICE@example.org", "theirs@example.org", "nonsense", ""])
def test_invite_when_address_taken_or_invalid_then_error_is_shown(address, customer):
    EmailAddress.objects.create(user=customer, email="theirs@example.org", verified=True)
    count = User.objects.count() + 1
    answer = invite(signed_in_as(with_role(OWNER)), address)
    assert answer.status_code == 200
    assert "error" in answer.content.decode()
    assert (User.objects.count(), mail.outbox) == (count, [])


def test_invite_when_two_do_it_at_once_then_the_second_sees_an_error(monkeypatch):
    client = signed_in_as(with_role(OWNER))

    def clash(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(User, "save", clash)
    answer = client.post(ADD, {"email": NEW}, follow=True)
    assert "There is an account with this address. Nothing was changed." in answer.content.decode()


def test_invitation_when_mail_server_is_down_then_sent_later(monkeypatch):
    """The mail is a row of the inviting transaction: if the process is killed afterwards, nothing is lost."""

    def refuse(*args: Any) -> None:
        raise OSError

    answer = invite(signed_in_as(with_role(OWNER)), _continue="1")
    assert answer.status_code == 302
    with monkeypatch.context() as patch:
        patch.setattr(locmem.EmailBackend, "open", refuse)
        assert send_account_mails() == 0
    assert send_account_mails() == 1


@pytest.mark.parametrize("how", ["withdrawn", "used", "moved", "too old"])
def test_invitation_when_ended_before_the_mail_was_sent_then_no_mail(how):
    invite(signed_in_as(with_role(OWNER)))
    user = User.objects.get(email=NEW)
    if how == "withdrawn":
        withdraw_invitation(user=user)
    elif how == "used":
        accept_invitation(user=user, password="my own words 9")
    elif how == "moved":
        change_address(user=user, address="dave@example.org")
    else:
        User.objects.filter(pk=user.pk).update(invited_at=timezone.now() - MAX_AGE)
    send_account_mails()
    assert not any("/account/invitation/" in one.body for one in mail.outbox)


# -- how it ends -------------------------------------------------------------------------------------


def test_link_when_used_then_it_ends(invited):
    link = path_of(mail.outbox[0].body)
    client = Client()
    client.get(link)
    client.post(reverse("invitation_accept"), CHOSEN)
    for who in (client, Client()):
        assert who.get(link).status_code == 410
        assert who.post(reverse("invitation_accept"), CHOSEN).status_code == 410


def test_link_when_only_opened_then_it_stays_valid(invited):
    """Mail servers open links to look for viruses."""
    link = path_of(mail.outbox[0].body)
    for _ in range(3):
        assert Client().get(link, follow=True).status_code == 200
        assert Client().head(link).status_code == 302
    assert find_invited(link.split("/")[-2]).pk == invited.pk


@pytest.mark.parametrize(("age", "status"), [(MAX_AGE - timedelta(minutes=1), 302), (MAX_AGE, 410)])
def test_link_when_48_hours_are_over_then_it_ends(age, status, invited):
    assert timedelta(hours=48) == MAX_AGE
    User.objects.filter(pk=invited.pk).update(invited_at=timezone.now() - age)
    invited.refresh_from_db()
    assert Client().get(path_of(link_of(invited))).status_code == status


def test_link_when_it_expires_while_the_form_is_open_then_refused(invited):
    client = Client()
    client.get(path_of(mail.outbox[0].body))
    User.objects.filter(pk=invited.pk).update(invited_at=invited.invited_at - MAX_AGE)
    before = stored(invited)
    assert client.post(reverse("invitation_accept"), CHOSEN).status_code == 410
    assert stored(invited) == before


@pytest.mark.parametrize("how", ["withdrawn", "renewed", "switched on by hand", "another address"])
def test_link_when_staff_ended_it_then_it_opens_nothing(how, invited):
    link = path_of(mail.outbox[0].body)
    client = Client()
    client.get(link)
    if how == "withdrawn":
        withdraw_invitation(user=invited)
    elif how == "renewed":
        renew_invitation(user=invited)
    elif how == "another address":
        owner = signed_in_as(User.objects.get(email="the-owner@example.org"))
        address = reverse("admin:accounts_user_change_address", args=[invited.pk])
        seen = owner.get(address).context["seen"]
        assert owner.post(address, {"seen": seen, "address": "new@example.org"}).status_code == 302
    else:
        User.objects.filter(pk=invited.pk).update(is_active=True)
    before = stored(invited)
    assert Client().get(link).status_code == 410
    assert client.post(reverse("invitation_accept"), CHOSEN).status_code == 410
    assert stored(invited) == before


@pytest.mark.parametrize("forged", ["x", "x:y:z", "WzFd", "a" * 5_000, "resigned"])
def test_link_when_forged_then_it_opens_nothing(forged, invited):
    payload = signing.loads(link_of(invited).split("/")[-2], salt="panel.accounts.invitations")
    token = signing.dumps(payload) if forged == "resigned" else forged
    answer = Client().get(reverse("invitation", args=[token]))
    assert answer.status_code == 410
    assert settings.SESSION_COOKIE_NAME not in answer.cookies


def test_page_when_no_link_was_opened_then_the_invitation_is_over():
    assert Client().get(reverse("invitation_accept")).status_code == 410


def test_password_when_weak_or_different_then_form_shows_an_error(invited):
    client = Client()
    client.get(path_of(mail.outbox[0].body))
    before = stored(invited)
    for one, two in (
        ("short", "short"),
        ("password123", "password123"),
        ("my own words 9", "my own words 8"),
        ("", ""),
    ):
        answer = client.post(reverse("invitation_accept"), {"password1": one, "password2": two})
        assert answer.status_code == 200
        assert "invalid-feedback" in answer.content.decode() or "error" in answer.content.decode()
    assert stored(invited) == before


def test_password_link_when_only_invited_then_not_sent(invited):
    mail.outbox.clear()
    Client().post(reverse("account_reset_password"), {"email": NEW})
    assert not any("/password/reset/key/" in one.body for one in mail.outbox)
    owner = signed_in_as(User.objects.get(email="the-owner@example.org"))
    address = reverse("admin:accounts_user_send_password_link", args=[invited.pk])
    assert owner.post(address, {"seen": ""}).status_code == 403


def test_password_link_when_invitation_open_then_invitation_resent(invited):
    """Otherwise they read that there is no account, after the sign-up page said that there is one."""
    mail.outbox.clear()
    before = stored(invited)
    Client().post(reverse("account_reset_password"), {"email": NEW})
    send_account_mails()
    (sent,) = mail.outbox
    assert (sent.to, stored(invited)) == ([NEW], before)
    assert Client().get(path_of(sent.body)).status_code == 302


def test_invited_when_form_activates_them_then_they_stay_inactive(invited):
    owner = signed_in_as(User.objects.get(email="the-owner@example.org"))
    address = reverse("admin:accounts_user_change", args=[invited.pk])
    groups = [Group.objects.get(name=SUPPORT).pk]
    owner.post(address, {"first_name": "C", "last_name": "", "is_active": "on", "groups": groups})
    assert (stored(invited)["is_active"], stored(invited)["first_name"]) == (False, "C")


# -- again, and taken back ---------------------------------------------------------------------------


def act(name: str, user: User) -> Any:
    owner = signed_in_as(User.objects.get(email="the-owner@example.org"))
    address = reverse(f"admin:accounts_user_{name}", args=[user.pk])
    opened = owner.get(address)
    assert opened.status_code == 200
    return owner.post(address, {"seen": opened.context["seen"]}, follow=True)


def test_invitation_when_expired_then_it_can_be_sent_again(invited):
    User.objects.filter(pk=invited.pk).update(invited_at=timezone.now() - 2 * MAX_AGE)
    mail.outbox.clear()
    assert f"An invitation is on its way to {NEW}." in act("invite_again", invited).content.decode()
    send_account_mails()
    client = Client()
    client.get(path_of(mail.outbox[0].body))
    assert client.post(reverse("invitation_accept"), CHOSEN).status_code == 302


def test_invitation_when_withdrawn_then_it_can_be_sent_again(invited):
    link = path_of(mail.outbox[0].body)
    assert "The invitation was withdrawn" in act("withdraw_invitation", invited).content.decode()
    assert Client().get(link).status_code == 410
    mail.outbox.clear()
    act("invite_again", invited)
    send_account_mails()
    assert Client().get(path_of(mail.outbox[0].body)).status_code == 302
    assert Client().get(link).status_code == 410


def test_staff_when_they_have_a_password_then_not_invited_again(customer):
    owner = signed_in_as(with_role(OWNER))
    User.objects.filter(pk=customer.pk).update(is_active=False)
    for name in ("invite_again", "withdraw_invitation"):
        address = reverse(f"admin:accounts_user_{name}", args=[customer.pk])
        assert owner.post(address, {"seen": ""}).status_code == 403


def test_list_when_people_are_invited_then_it_shows_their_state(invited):
    make.invited("late@example.org", invited_at=timezone.now() - 2 * MAX_AGE)
    make.invited("off@example.org", invited_at=None)
    owner = signed_in_as(User.objects.get(email="the-owner@example.org"))
    text = owner.get(reverse("admin:accounts_user_changelist")).content.decode()
    for word in ("Active", "Invited", "Invitation over", "Off"):
        assert word in text
    assert "Good until" in owner.get(reverse("admin:accounts_user_change", args=[invited.pk])).content.decode()
    assert "Invited" not in LogEntry.objects.first().change_message


# -- twice at once, and killed -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_link_when_used_many_times_at_once_then_one_password_counts():
    user = make.invited(NEW)
    seen = [find_invited(link_of(user).split("/")[-2]) for _ in range(4)]

    def accept(number: int) -> str:
        try:
            accept_invitation(user=seen[number], password=f"my own words {number}")
        except InvitationOver:
            return "over"
        finally:
            connection.close()
        return f"my own words {number}"

    results = at_once(4, accept)
    (won,) = [one for one in results if one != "over"]
    assert len(results) == 4
    user.refresh_from_db()
    assert user.check_password(won)
    assert EmailAddress.objects.filter(user=user).count() == 1


def test_link_when_accepting_is_killed_midway_then_still_usable(monkeypatch):
    user = make.invited(NEW)
    before = stored(user)

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EmailAddress.objects, "create", die)
        with pytest.raises(Killed):
            accept_invitation(user=user, password="my own words 9")
    assert stored(user) == before
    accept_invitation(user=user, password="my own words 9")
    assert user.is_active


def test_link_when_another_account_confirmed_address_then_rejected(customer):
    user = make.invited(NEW)
    EmailAddress.objects.create(user=customer, email=NEW, verified=True)
    before = stored(user)
    with pytest.raises(InvitationOver):
        accept_invitation(user=user, password="my own words 9")
    assert stored(user) == before
