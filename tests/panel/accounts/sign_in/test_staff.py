"""Sign-in of staff: second factor by role, idle and long sessions, asking again, and one's own sessions."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.account.internal.flows import login
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.models import Entry
from billing.wallets import wallet_of
from panel.accounts.models import SignIn, User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT, set_up_roles
from panel.accounts.sign_in.browsers import browser_name
from panel.api.keys.services import make_key
from panel.lib import recent_sign_in
from panel.site import sign_in_settings, stored
from panel.site.models import StoredSetting
from panel.site.services import Wanted, change_settings, undo_change
from tests import make
from tests.admin_calls import action_address

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
ADMIN = "/admin/"


def signed_in_at(client: Client, user: User, ago: float = 0) -> Client:
    """Sign in as people do, `ago` seconds ago."""
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    session = client.session
    for record in session[login.AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= ago
    session.save()
    return client


def store(monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))


def with_role(role: str) -> User:
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


# -- second factor -----------------------------------------------------------------------------------


def require(monkeypatch: pytest.MonkeyPatch, *roles: str) -> None:
    set_up_roles()
    value = sign_in_settings.SECOND_FACTOR_ROLES.parse(", ".join(roles))
    store(monkeypatch, SECOND_FACTOR_ROLES=sign_in_settings.SECOND_FACTOR_ROLES.to_store(value))


def test_second_factor_when_role_needs_one_then_enrolled_before_the_admin(monkeypatch):
    user = with_role(MANAGER)
    require(monkeypatch, OWNER, MANAGER)
    client = signed_in_at(Client(), user)
    for path in (ADMIN, reverse("settings"), reverse("admin:orders_order_changelist")):
        assert client.get(path).url == client.post(path).url == reverse("mfa_activate_totp")
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    assert client.get(reverse("account")).status_code == 200
    TOTP.activate(user, generate_totp_secret())
    assert client.get(ADMIN).status_code == 200


@pytest.mark.parametrize("role", [SUPPORT, "Superuser"])
def test_second_factor_when_role_needs_none_then_the_admin_opens(role, monkeypatch, staff):
    user = staff if role == "Superuser" else with_role(role)
    require(monkeypatch, MANAGER)
    assert signed_in_at(Client(), user).get(ADMIN).status_code == 200
    require(monkeypatch, OWNER, SUPPORT)
    assert signed_in_at(Client(), user).get(ADMIN).status_code == 302


def test_second_factor_when_role_is_renamed_then_still_needed(monkeypatch):
    user = with_role(SUPPORT)
    require(monkeypatch, SUPPORT)
    Group.objects.filter(name=SUPPORT).update(name="Helpdesk")
    assert signed_in_at(Client(), user).get(ADMIN).status_code == 302


def test_second_factor_when_owner_has_no_confirmed_address_then_enrols(staff, monkeypatch, mail_server):
    """The first owner is made on the command line; where no mail arrives, they could never confirm an address."""
    require(monkeypatch, OWNER)
    client = signed_in_at(Client(), staff)
    client.get(reverse("account_email"))  # The library notes the address, unconfirmed.
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 200
    assert "Set one up" in client.get(ADMIN, follow=True).content.decode()


def test_roles_when_setting_is_typed_then_names_are_checked(staff):
    set_up_roles()
    setting = sign_in_settings.SECOND_FACTOR_ROLES
    with pytest.raises(ValueError, match="no role called “Chef”"):
        setting.parse("owner, Chef")
    (change,) = change_settings(actor=staff, wanted={setting.name: Wanted("manager, Owner", 0)})
    row = StoredSetting.objects.get(name=setting.name)
    assert setting.shown(setting.from_stored(row.value)) in ("Owner, Manager", "Manager, Owner")
    (undone,) = undo_change(actor=staff, change=change)
    (again,) = undo_change(actor=staff, change=undone)
    assert again.new == change.new


# -- sessions of staff -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began_ago", "used_ago", "is_over"),
    [(3_000, 3_000, False), (3_700, 3_700, True), (13 * 3_600, 60, True), (11 * 3_600, 60, False)],
)
def test_session_of_staff_when_idle_or_long_then_signed_out(began_ago, used_ago, is_over, staff, staff_client):
    staff_client.get(ADMIN)
    session = staff_client.session
    now = time.time()
    session["staff"] = [now - began_ago, now - used_ago]
    session.save()
    answer = staff_client.get(reverse("admin:orders_order_changelist"))
    assert (answer.status_code == 302) is is_over
    if is_over:
        assert answer.url == f"{reverse('account_login')}?next={reverse('admin:orders_order_changelist')}"
        assert staff_client.get(reverse("account")).status_code == 302


def test_session_when_a_page_refreshes_itself_then_still_idle(staff_client):
    staff_client.get(ADMIN)
    session = staff_client.session
    before = [time.time() - 3_000, time.time() - 3_000]
    session["staff"] = before
    session.save()
    staff_client.get(ADMIN, headers={"hx-request": "true"})
    assert staff_client.session["staff"] == before
    staff_client.get(ADMIN)
    assert staff_client.session["staff"][1] > before[1]


def test_session_of_a_customer_when_idle_then_it_stays(signed_in):
    session = signed_in.session
    session["staff"] = [1.0, 1.0]
    session.save()
    assert signed_in.get(reverse("account")).status_code == 200


def test_api_when_staff_send_a_cookie_then_their_session_is_not_touched(staff_client):
    staff_client.post("/api/v2", {"key": "x", "action": "balance"})
    assert "staff" not in staff_client.session
    staff_client.get(reverse("account"))
    assert "staff" in staff_client.session


# -- asking again ------------------------------------------------------------------------------------


@pytest.fixture
def wallet(customer):
    return wallet_of(customer=customer)


def sensitive(wallet: Any, provider: Any, method: Any, key: Any) -> dict[str, str]:
    return {
        "money": action_address("billing.wallet", wallet.pk, "move_money"),
        "keys": reverse("admin:catalog_provider_change", args=[provider.pk]),
        "a customer's key": action_address("accounts.apikey", key.pk, "revoke"),
        "roles": reverse("admin:accounts_user_change", args=[wallet.customer_id]),
        "settings": reverse("settings"),
        "payment methods": reverse("admin:billing_paymentmethod_change", args=[method.pk]),
    }


def test_pages_that_matter_when_signed_in_long_ago_then_ask_again(staff, wallet, real_sign_in_times):
    key = make_key(customer=wallet.customer, name="Shop").key
    pages = sensitive(wallet, make.provider(), make.payment_method(), key)
    client = signed_in_at(Client(), staff, ago=recent_sign_in.MAX_AGE + 1)
    for name, path in pages.items():
        answer = client.get(path)
        assert answer.status_code == 302 and answer.url.startswith(reverse("account_reauthenticate")), name
        assert client.post(path, {}).status_code in (200, 302, 403), name
    assert client.get(ADMIN).status_code == 200
    asked = client.get(pages["money"]).url
    wrong = client.post(asked, {"password": "wrong", "next": pages["money"]})
    assert wrong.status_code == 200
    right = client.post(asked, {"password": PASSWORD, "next": pages["money"]})
    assert right.url == pages["money"]
    for name, path in pages.items():
        assert client.get(path).status_code == 200, name


WHY = {"why": "other", "why_note": "A test."}


@pytest.mark.parametrize(("ago", "moves"), [(20 * 60, True), (31 * 60, False)])
def test_money_when_form_was_open_for_long_then_nothing_moves(ago, moves, staff, wallet, real_sign_in_times):
    """A form that was opened in time may be sent for a while; later it asks first, and keeps nothing that was typed."""
    client = signed_in_at(Client(), staff)
    path = action_address("billing.wallet", wallet.pk, "move_money")
    assert client.get(path).status_code == 200
    signed = client.session
    for record in signed[login.AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= ago
    signed.save()
    before = Entry.objects.count()
    data = {"amount": "5", "kind": "deposit", "reason": "Goodwill", "request_key": "f" * 32, **WHY}
    answer = client.post(path, data)
    assert Entry.objects.count() == before + moves
    if moves:
        return
    assert answer.url.startswith(reverse("account_reauthenticate"))
    assert "Goodwill" not in str(dict(client.session))
    assert "Nothing was changed" in client.get(answer.url).content.decode()


def test_routine_when_signed_in_long_ago_then_not_asked(staff, real_sign_in_times):
    client = signed_in_at(Client(), staff, ago=10 * 3_600)
    provider = make.provider()
    assert client.get(action_address("catalog.provider", provider.pk, "test_connection")).status_code == 200


def test_owner_when_made_on_the_command_line_then_can_confirm(staff, real_sign_in_times):
    """Such an account has no address in the library's table, by which it would look for the password."""
    client = signed_in_at(Client(), staff, ago=10 * 3_600)
    asked = client.get(reverse("settings")).url
    assert client.post(asked, {"password": PASSWORD, "next": reverse("settings")}).url == reverse("settings")
    assert not SignIn.objects.filter(outcome="wrong_password").exists()


# -- one's own sessions ------------------------------------------------------------------------------


def test_sessions_when_others_are_ended_then_only_this_one_is_left(customer):
    here, there, older = Client(headers={"user-agent": "Firefox Windows"}), Client(), Client()
    older.force_login(customer)  # From before there was a list.
    for client in (here, there):
        signed_in_at(client, customer)
    assert UserSession.objects.count() == 2
    page = here.get(reverse("usersessions_list")).content.decode()
    assert page.count("This one") == 1 and "Firefox, Windows" in page and "127.0.0.1" in page
    assert client_keys_hidden(page)
    answer = here.post(reverse("usersessions_list"), follow=True)
    assert "All other sessions were ended" in answer.content.decode()
    assert [client.get(reverse("account")).status_code for client in (here, there, older)] == [200, 302, 302]
    assert UserSession.objects.get().session_key == here.session.session_key


def client_keys_hidden(page: str) -> bool:
    return not any(key in page for key in UserSession.objects.values_list("session_key", flat=True))


def test_sessions_when_others_are_ended_then_only_ones_own(customer, other):
    here, theirs = signed_in_at(Client(), customer), signed_in_at(Client(), other)
    here.post(reverse("usersessions_list"))
    assert theirs.get(reverse("account")).status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/139.0 Safari/537.36 Edg/139.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/139.0 Mobile Safari/537.36", "Chrome, Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_browser_when_it_names_itself_then_in_words(agent, name):
    assert browser_name(agent) == name


def test_code_when_wrong_at_sign_in_then_logged(customer):
    TOTP.activate(customer, generate_totp_secret())
    client = Client()
    client.post(reverse("account_login"), {"login": customer.email, "password": PASSWORD})
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    row = SignIn.objects.get()
    assert (row.user, row.outcome) == (customer, "wrong_code")
    assert not re.search("000000", str(SignIn.objects.values_list()))
    assert Authenticator.objects.filter(user=customer).exists()
