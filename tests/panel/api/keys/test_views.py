"""The customer's pages of API keys, the mail, and the keys in the admin."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from panel.accounts.models import ApiKey, User
from panel.accounts.roles import MANAGER, SUPPORT, set_up_roles
from panel.api.key_use import find_key, spend
from panel.api.keys import one_time_secret
from panel.api.keys.services import MAX_KEYS, make_key, revoke_key
from panel.lib.crypto import decrypt
from tests import make
from tests.panel.api.keys.test_services import ask, text_in_the_database

# Tests pages and forms only; the keys themselves are tested on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

LIST = "/account/api/"
NEW = "/account/api/new/"
SECRET = re.compile(r"\b[0-9a-f]{64}\b")


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def form(client: Client, **values: str) -> dict[str, str]:
    """Return the form of a new key as the browser sends it."""
    found = re.search(r'name="request_key" value="([0-9a-f]{32})"', page(client, NEW))
    assert found
    return {"name": "My shop", "networks": "", "daily_limit": "", "request_key": found[1], **values}


def messages_of(answer: Any) -> list[str]:
    """Return the messages of the page that the answer redirects to."""
    return [str(message) for message in answer.context["messages"]]


# -- a new key ---------------------------------------------------------------------------------------


def test_key_when_the_form_is_sent_then_created_as_entered_and_shown(signed_in, customer):
    data = form(
        signed_in, name=" My\r\n shop ", is_read_only="on", networks="192.0.2.7\n2001:db8::/32", daily_limit="1,250.50"
    )
    answer = signed_in.post(NEW, data)
    key = ApiKey.objects.get()
    assert (key.customer, key.name, key.is_read_only) == (customer, "My shop", True)
    assert key.networks == ["192.0.2.7/32", "2001:db8::/32"]
    assert key.daily_limit == make.micros("1250.50")
    assert answer.status_code == 302 and answer.url == f"/account/api/{key.pk}/made/"
    shown = signed_in.get(answer.url)
    text = shown.content.decode()
    [secret] = set(SECRET.findall(text))
    assert find_key(secret=secret) == key
    assert "only this once" in text and "http://localhost:8000/api/v2" in text
    assert "no-store" in shown["Cache-Control"]
    assert shown["Referrer-Policy"] == "same-origin"


def test_secret_when_its_page_is_reloaded_then_gone_and_no_new_key(signed_in):
    data = form(signed_in)
    made = signed_in.post(NEW, data).url
    [secret] = set(SECRET.findall(page(signed_in, made)))
    again = signed_in.get(made, follow=True)
    assert again.redirect_chain == [(LIST, 302)]
    assert "shown once" in messages_of(again)[0]
    # The form itself, sent again by the Back button and Enter.
    once_more = signed_in.post(NEW, data, follow=True)
    assert once_more.redirect_chain == [(made, 302), (LIST, 302)]
    assert ApiKey.objects.count() == 1
    for address in (LIST, NEW, f"{LIST}{ApiKey.objects.get().pk}/", "/account/"):
        assert secret not in page(signed_in, address)
    assert secret not in text_in_the_database()


def test_secret_when_form_sent_twice_then_second_answer_shows_it(signed_in):
    data = form(signed_in)
    first, second = signed_in.post(NEW, data), signed_in.post(NEW, data)
    assert first.url == second.url
    assert find_key(secret=SECRET.findall(page(signed_in, second.url))[0]) == ApiKey.objects.get()


def test_secret_when_waiting_to_be_shown_then_encrypted_not_in_url(signed_in):
    answer = signed_in.post(NEW, form(signed_in))
    parcel = json.loads(decrypt(signed_in.session["new_api_key"]))
    secret = parcel["secret"]
    assert find_key(secret=secret)
    assert secret not in text_in_the_database()
    assert secret not in str([one.get_decoded() for one in Session.objects.all()])
    assert secret not in str(answer.headers) and secret not in str(answer.cookies) and secret not in answer.url
    page(signed_in, answer.url)
    assert "new_api_key" not in signed_in.session


@pytest.mark.parametrize("seconds", [59, 61])
def test_secret_when_not_shown_within_a_minute_then_not_shown(signed_in, monkeypatch, seconds):
    address = signed_in.post(NEW, form(signed_in)).url
    now = one_time_secret.time.time()
    monkeypatch.setattr(one_time_secret.time, "time", lambda: now + seconds)
    assert (signed_in.get(address).status_code == 200) is (seconds < 60)
    assert "new_api_key" not in signed_in.session


def test_secret_when_the_list_is_opened_instead_then_forgotten(signed_in):
    address = signed_in.post(NEW, form(signed_in)).url
    page(signed_in, LIST)
    assert "new_api_key" not in signed_in.session
    assert signed_in.get(address).url == LIST


def test_secret_when_opened_by_another_session_or_key_then_not_shown(signed_in, customer):
    before = make_key(customer=customer, name="Before").key
    address = signed_in.post(NEW, form(signed_in)).url
    elsewhere = Client()
    elsewhere.force_login(customer)
    assert elsewhere.get(address).status_code == 302
    assert signed_in.get(f"{LIST}{before.pk}/made/").status_code == 302
    assert signed_in.get(address).status_code == 302  # It was removed for the wrong key.


def test_secret_when_the_encryption_keys_changed_then_not_shown(signed_in, settings):
    address = signed_in.post(NEW, form(signed_in)).url
    settings.FIELD_ENCRYPTION_KEYS = ["YW5vdGhlci1rZXktZm9yLXRlc3RzLW5vdC1zZWNyZXQ="]
    assert signed_in.get(address).status_code == 302


def test_new_key_page_when_sent_a_head_request_then_the_secret_stays(signed_in):
    address = signed_in.post(NEW, form(signed_in)).url
    assert signed_in.head(address).status_code == 405
    assert SECRET.search(page(signed_in, address))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Give the key a name"),
        ("name", "   ", "Give the key a name"),
        ("name", "x" * 61, "at most 60"),
        ("name", "a\0b", "invisible character"),
        ("networks", "192.0.2.7\nmy-server", "“my-server” is no address"),
        ("networks", "\n".join(f"192.0.2.{number}" for number in range(51)), "at most 50"),
        ("networks", "1" * 4_001, "too long"),
        ("daily_limit", "12;50", "such as 12.50"),
        ("daily_limit", "0", "above zero"),
        ("daily_limit", "-5", "above zero"),
        ("daily_limit", "1e5", "such as 12.50"),
        ("daily_limit", "9" * 20, "out of range"),
        ("daily_limit", "0.0000001", "six decimal places"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "edit"])
def test_form_when_a_field_is_wrong_then_error_there_and_input_kept(signed_in, customer, field, value, words, is_new):
    key = make_key(customer=customer, name="Before").key
    before = list(ApiKey.objects.values())
    data = form(signed_in, **{"name": "My shop", field: value})
    answer = signed_in.post(NEW if is_new else f"{LIST}{key.pk}/", data)
    assert answer.status_code == 200
    shown = answer.context["form"]
    assert list(shown.errors) == [field]
    assert words in shown.errors[field][0]
    text = answer.content.decode()
    assert 'aria-invalid="true"' in text
    assert field == "name" or 'value="My shop"' in text
    assert list(ApiKey.objects.values()) == before
    assert not mail.outbox


@pytest.mark.parametrize("request_key", ["", "x", "F" * 32, "f" * 33])
def test_form_when_its_request_key_is_made_up_then_no_key(signed_in, request_key):
    assert signed_in.post(NEW, form(signed_in, request_key=request_key)).status_code == 200
    assert not ApiKey.objects.exists()


def test_form_when_extra_fields_are_posted_then_ignored(signed_in, customer, other):
    signed_in.post(NEW, form(signed_in, customer=str(other.pk), digest="0" * 64, spent="-5", revoked_at="x"))
    key = ApiKey.objects.get()
    assert (key.customer, key.spent, key.revoked_at) == (customer, 0, None)
    assert key.digest != "0" * 64


def test_form_when_at_the_limit_then_error_and_the_list_offers_none(signed_in, customer):
    for number in range(MAX_KEYS):
        make_key(customer=customer, name=str(number))
    answer = signed_in.post(NEW, form(signed_in))
    assert "which is the most" in answer.context["form"].non_field_errors()[0]
    assert ApiKey.objects.count() == MAX_KEYS
    text = page(signed_in, LIST)
    assert NEW not in text and "which is the most" in text


# -- the mail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_only", ["", "on"])
def test_mail_when_key_is_created_then_shows_address_but_no_secret(signed_in, customer, read_only):
    extra = {"is_read_only": read_only} if read_only else {}
    data = form(signed_in, name="<b>Tom & Co</b>", **extra)
    answer = signed_in.post(NEW, data, REMOTE_ADDR="203.0.113.9", headers={"user-agent": "Firefox 99"})
    key = ApiKey.objects.get()
    [message] = mail.outbox
    assert message.to == [customer.email]
    assert message.subject == "A new API key was made"
    for words in ("“<b>Tom & Co</b>”", key.ending, "203.0.113.9", "Firefox 99", "http://localhost:8000/account/api/"):
        assert words in message.body, words
    assert ("order from your wallet" in message.body) is not bool(read_only)
    assert len(message.body.splitlines()[2]) < 998
    [secret] = set(SECRET.findall(page(signed_in, answer.url)))
    assert secret not in str(message.message())


def test_mail_when_it_cannot_be_sent_then_the_key_is_still_shown(signed_in, monkeypatch):
    def fail(*args: Any) -> int:
        raise OSError("refused")

    monkeypatch.setattr(EmailBackend, "send_messages", fail)
    answer = signed_in.post(NEW, form(signed_in), follow=True)
    assert find_key(secret=SECRET.findall(answer.content.decode())[0])


def test_secret_when_resent_during_slow_mail_then_second_shows_it(signed_in, monkeypatch):
    data = form(signed_in)
    shown = []

    def click_again(*args: Any) -> int:
        second = Client()
        second.cookies[settings.SESSION_COOKIE_NAME] = signed_in.cookies[settings.SESSION_COOKIE_NAME].value
        shown.append(second.post(NEW, data, follow=True).content.decode())
        return 1

    monkeypatch.setattr(EmailBackend, "send_messages", click_again)
    signed_in.post(NEW, data)
    [text] = shown
    assert find_key(secret=SECRET.findall(text)[0]) == ApiKey.objects.get()


def test_mail_when_the_address_is_unknown_then_it_says_so(signed_in):
    signed_in.post(NEW, form(signed_in), REMOTE_ADDR="")
    assert "From the address: unknown" in mail.outbox[0].body


# -- the list ----------------------------------------------------------------------------------------


def test_list_when_there_is_no_key_then_explained_and_offered(signed_in, other):
    make_key(customer=other, name="Theirs")
    text = page(signed_in, LIST)
    assert "Let your programs order" in text and NEW in text
    assert "Theirs" not in text and "Revoked keys" not in text


def test_list_when_there_are_keys_then_it_shows_limits_and_use(signed_in, customer):
    now = timezone.now()
    used = make_key(customer=customer, name="<i>Shop</i>", networks=["192.0.2.7/32"], daily_limit=make.micros("50")).key
    ApiKey.objects.filter(pk=used.pk).update(last_used_at=now - timedelta(minutes=5), last_address="2001:db8::1")
    spend(key=used, charge=make.micros("12.34"))
    reading = make_key(customer=customer, name="Prices", is_read_only=True, daily_limit=make.micros("1")).key
    text = page(signed_in, LIST)
    assert "&lt;i&gt;Shop&lt;/i&gt;" in text and "<i>Shop" not in text
    assert f"…{used.ending}" in text and f"…{reading.ending}" in text
    words = re.sub(r"<[^>]+>|\s+", " ", text)
    words = re.sub(r" +", " ", words)
    assert "Used 5 min ago from 2001:db8::1" in words
    assert "$12.34 of $50.00 spent today" in words
    assert "Never used" in words and "Cannot order" in words and "Read only" in words
    assert "192.0.2.7 " in words and "192.0.2.7/32" not in words
    assert used.digest not in text
    assert "http://localhost:8000/api/v2" in words


def test_list_when_spending_was_yesterday_then_nothing_today(signed_in, customer):
    key = make_key(customer=customer, name="Shop", daily_limit=make.micros("50")).key
    spend(key=key, charge=make.micros("12.34"))
    ApiKey.objects.update(spent_on=timezone.localdate() - timedelta(days=1))
    assert "$12.34" not in page(signed_in, LIST)


def test_list_when_keys_are_revoked_then_collapsed_with_dates(signed_in, customer):
    key = make_key(customer=customer, name="Old shop").key
    revoke_key(key=key)
    text = page(signed_in, LIST)
    assert text.index("Revoked keys") < text.index("Old shop")
    assert "No key is in use" in text
    assert f"{LIST}{key.pk}/" not in text


def test_list_when_a_daily_limit_is_used_up_then_it_says_so(signed_in, customer):
    key = make_key(customer=customer, name="Shop", daily_limit=make.micros("5")).key
    spend(key=key, charge=make.micros("5"))
    text = page(signed_in, LIST)
    assert "All of" in text and "is spent today" in text and "delivered is-warning" in text


def test_list_when_there_are_more_keys_then_no_more_queries(signed_in, customer):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(signed_in, LIST)
        return len(queries)

    revoke_key(key=make_key(customer=customer, name="a").key)
    make_key(customer=customer, name="b")
    statements()
    few = statements()
    for number in range(10):
        revoke_key(key=make_key(customer=customer, name=str(number)).key)
        make_key(customer=customer, name=str(number))
    assert statements() == few


def test_account_when_opened_then_it_links_to_the_keys(signed_in):
    assert f'href="{LIST}"' in page(signed_in, "/account/")


# -- changing and revoking ---------------------------------------------------------------------------


def test_key_when_changed_then_limits_change_but_secret_does_not(signed_in, customer, service):
    made = make_key(customer=customer, name="Shop", is_read_only=True, networks=["203.0.113.0/24"], daily_limit=5)
    address = f"{LIST}{made.key.pk}/"
    shown = page(signed_in, address)
    assert 'value="Shop"' in shown and "203.0.113.0/24</textarea>" in shown and 'value="0.000005"' in shown
    assert re.search(r'<input type="checkbox" name="is_read_only"[^>]* checked', shown)
    order = {"service": service.pk, "link": "https://example.com/a", "quantity": 100}
    assert "error" in ask(made.secret, "add", **order)
    answer = signed_in.post(address, {"name": "New name", "networks": "192.0.2.7", "daily_limit": ""}, follow=True)
    assert messages_of(answer) == ["“New name” was saved."]
    key = ApiKey.objects.get()
    assert (key.name, key.is_read_only, key.networks, key.daily_limit) == ("New name", False, ["192.0.2.7/32"], None)
    assert (key.digest, key.ending) == (made.key.digest, made.key.ending)
    assert "order" in ask(made.secret, "add", **order)


def test_key_when_saved_unchanged_then_nothing_changes(signed_in, customer):
    networks = ["192.0.2.7/32", "2001:db8::1/128", "2001:db8::/32", "10.0.0.0/8"]
    key = make_key(customer=customer, name="Shop", networks=networks, daily_limit=make.micros("0.00268")).key
    before = ApiKey.objects.values().get()
    fields = signed_in.get(f"{LIST}{key.pk}/").context["form"].initial
    signed_in.post(f"{LIST}{key.pk}/", {name: value for name, value in fields.items() if value})
    assert ApiKey.objects.values().get() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_key_when_revoked_then_it_cannot_be_changed(signed_in, customer, method):
    key = make_key(customer=customer, name="Shop", is_read_only=True).key
    revoke_key(key=key)
    before = ApiKey.objects.values().get()
    answer = getattr(signed_in, method)(f"{LIST}{key.pk}/", {"name": "Mine again"}, follow=True)
    assert messages_of(answer) == ["“Shop” is revoked and cannot be changed any more."]
    assert ApiKey.objects.values().get() == before


def test_key_when_revoked_while_form_is_open_then_form_is_rejected(signed_in, customer, monkeypatch):
    """It is revoked between the form's read and write."""
    key = make_key(customer=customer, name="Shop").key
    monkeypatch.setattr("panel.api.keys.forms.read_networks", lambda text: [] if revoke_key(key=key) else [])
    answer = signed_in.post(f"{LIST}{key.pk}/", {"name": "Mine again"}, follow=True)
    assert "cannot be changed" in messages_of(answer)[0]
    assert ApiKey.objects.get().name == "Shop"


def test_key_when_revoking_then_confirmed_first_and_done_once(signed_in, customer):
    made = make_key(customer=customer, name="Shop")
    address = f"{LIST}{made.key.pk}/revoke/"
    assert "Revoke “<bdi>Shop</bdi>”?" in page(signed_in, address)
    assert find_key(secret=made.secret)
    for _ in range(2):
        answer = signed_in.post(address, follow=True)
        assert "was revoked" in messages_of(answer)[0]
    assert find_key(secret=made.secret) is None
    assert signed_in.get(address).status_code == 302


@pytest.mark.parametrize("name", ["api_key_new", "api_key_edit", "api_key_revoke"])
def test_key_forms_when_the_csrf_token_is_missing_then_refused(customer, name):
    key = make_key(customer=customer, name="Shop").key
    before = list(ApiKey.objects.values())
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer)
    data = {"name": "x", "request_key": "f" * 32}
    assert client.post(reverse(name, args=[key.pk] if name != "api_key_new" else []), data).status_code == 403
    assert list(ApiKey.objects.values()) == before


# -- on the page of an order -------------------------------------------------------------------------


def test_order_when_created_with_a_key_then_its_page_names_the_key(signed_in, staff_client, customer, service):
    made = make_key(customer=customer, name="<b>Shop</b>")
    bought = ask(made.secret, "add", service=service.pk, link="https://example.com/a", quantity=100)["order"]
    revoke_key(key=made.key)
    text = page(signed_in, reverse("order_detail", args=[bought]))
    assert "The API key" in text and "&lt;b&gt;Shop&lt;/b&gt;" in text and "<b>Shop" not in text
    assert "Order received through the API" in text
    text = page(staff_client, reverse("admin:orders_order_change", args=[bought]))
    assert "The API key &lt;b&gt;Shop&lt;/b&gt;" in text
    assert reverse("admin:accounts_apikey_change", args=[made.key.pk]) in text


def test_order_when_created_in_browser_then_page_shows_no_key(signed_in, staff_client, customer, service):
    make_key(customer=customer, name="Shop")
    order = make.order(customer, service)
    assert "API key" not in page(signed_in, reverse("order_detail", args=[order.pk])).partition("<main")[2]
    assert "<dd>Form</dd>" in page(staff_client, reverse("admin:orders_order_change", args=[order.pk]))


def test_order_when_its_key_is_another_customers_then_not_named(signed_in, customer, other, service):
    order = make.order(customer, service)
    type(order).objects.filter(pk=order.pk).update(api_key_ref=make_key(customer=other, name="Theirs").key.pk)
    assert "Theirs" not in page(signed_in, reverse("order_detail", args=[order.pk]))


# -- the admin ---------------------------------------------------------------------------------------


@pytest.fixture(params=[SUPPORT, MANAGER])
def agent(request, db) -> Client:
    set_up_roles()
    user = make.customer(f"{request.param.lower()}@example.org")
    user.groups.add(Group.objects.get(name=request.param))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


ADMIN = "admin:accounts_apikey_{}"


def test_admin_when_staff_open_keys_then_no_digest_is_shown(agent, customer):
    made = make_key(customer=customer, name="Shop", networks=["192.0.2.7/32"], daily_limit=make.micros("50"))
    spend(key=made.key, charge=make.micros("1.5"))
    listed = page(agent, reverse(ADMIN.format("changelist")))
    alone = page(agent, reverse(ADMIN.format("change"), args=[made.key.pk]))
    for text in (listed, alone):
        assert "Shop" in text and f"…{made.key.ending}" in text and customer.email in text and "$50.00" in text
        assert made.key.digest not in text and made.secret not in text
    assert "192.0.2.7" in alone and "$1.50" in alone


@pytest.mark.parametrize("query", ["alice@", "my sho", "ENDING"])
def test_admin_when_searched_by_customer_name_or_ending_then_found(agent, customer, other, query):
    key = make_key(customer=customer, name="My shop").key
    make_key(customer=other, name="Another")
    found = agent.get(reverse(ADMIN.format("changelist")), {"q": key.ending if query == "ENDING" else query})
    assert [one.pk for one in found.context["cl"].result_list] == [key.pk]


def test_admin_when_filtered_then_used_and_revoked_keys_are_separate(agent, customer):
    key, gone = (make_key(customer=customer, name=name).key for name in ("a", "b"))
    revoke_key(key=gone)
    for value, wanted in (("1", key), ("0", gone)):
        found = agent.get(reverse(ADMIN.format("changelist")), {"revoked_at__isempty": value})
        assert [one.pk for one in found.context["cl"].result_list] == [wanted.pk]


def test_admin_when_the_list_grows_then_no_more_queries(agent, customer, other):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(agent, reverse(ADMIN.format("changelist")))
        return len(queries)

    make_key(customer=customer, name="a")
    statements()
    few = statements()
    for number in range(8):
        make_key(customer=other, name=str(number))
    assert statements() == few


def test_admin_when_key_is_revoked_then_unusable_and_actor_logged(agent, customer):
    made = make_key(customer=customer, name="Shop")
    address = reverse(ADMIN.format("revoke"), args=[made.key.pk])
    html = page(agent, address)
    assert "Revoke: Shop" in html and re.search(r"<button[^>]*bg-red-600[^>]*>\s*Revoke the key", html)
    assert find_key(secret=made.secret)  # A GET changes nothing.
    assert agent.post(address, {"seen": "in use"}).status_code == 302
    assert find_key(secret=made.secret) is None
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(made.key.pk), "Revoked.")
    assert entry.object_repr == f"Shop (…{made.key.ending})"
    # Sent again, or opened again: nothing more happens.
    assert "Nothing was done" in agent.post(address, {"seen": "in use"}).content.decode()
    assert agent.get(address).status_code == 302
    assert LogEntry.objects.count() == 1
    assert address not in page(agent, reverse(ADMIN.format("change"), args=[made.key.pk]))


def test_admin_when_owner_revokes_at_same_moment_then_staff_see_it(agent, customer, monkeypatch):
    key = make_key(customer=customer, name="Shop").key
    monkeypatch.setattr("panel.api.keys.admin.revoke_key", lambda *, key: revoke_key(key=key) and revoke_key(key=key))
    answer = agent.post(reverse(ADMIN.format("revoke"), args=[key.pk]), {"seen": "in use"})
    assert "It was revoked already." in answer.content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["add", "delete"])
def test_admin_when_staff_create_or_delete_a_key_then_refused(agent, customer, name):
    key = make_key(customer=customer, name="Shop").key
    if name == "add":
        assert agent.get("/admin/accounts/apikey/add/").status_code in (403, 404)
    else:
        assert agent.post(reverse(ADMIN.format("delete"), args=[key.pk]), {"post": "yes"}).status_code == 403
    agent.post(reverse(ADMIN.format("change"), args=[key.pk]), {"name": "Mine", "revoked_at_0": ""})
    assert ApiKey.objects.get().name == "Shop"


def test_admin_when_opened_from_a_customer_then_only_their_keys(agent, customer, other):
    keys = [make_key(customer=customer, name=name).key.pk for name in ("a", "b")]
    make_key(customer=other, name="Theirs")
    link = reverse("admin:accounts_user_open_api_keys", args=[customer.pk])
    assert link in page(agent, reverse("admin:accounts_user_change", args=[customer.pk]))
    found = agent.get(link, follow=True)
    assert sorted(one.pk for one in found.context["cl"].result_list) == keys
    assert agent.get(reverse("admin:accounts_user_open_api_keys", args=[10**6])).status_code == 404


def test_admin_when_opened_from_a_key_then_only_its_orders(agent, customer, service):
    made, another = (make_key(customer=customer, name=name) for name in ("Shop", "Script"))
    order = {"service": service.pk, "link": "https://example.com/a", "quantity": 100}
    bought = ask(made.secret, "add", **order)["order"]
    ask(another.secret, "add", **order)
    make.order(customer, service)
    revoke_key(key=made.key)  # The orders of a revoked key matter most.
    link = reverse(ADMIN.format("open_orders"), args=[made.key.pk])
    assert link in page(agent, reverse(ADMIN.format("change"), args=[made.key.pk]))
    found = agent.get(link, follow=True)
    assert [one.pk for one in found.context["cl"].result_list] == [bought]
    assert f"Number {made.key.pk}" in found.content.decode()
    assert agent.get(reverse(ADMIN.format("open_orders"), args=[10**6])).status_code == 404


@pytest.mark.parametrize("value", ["x", "-1", "9" * 30])
def test_admin_when_orders_are_filtered_by_an_unknown_key_then_none(agent, customer, service, value):
    make.order(customer, service)
    found = agent.get(reverse("admin:orders_order_changelist"), {"api_key_ref": value})
    assert found.status_code == 200 and not found.context["cl"].result_list
    assert "API key" not in [
        spec.title for spec in agent.get(reverse("admin:orders_order_changelist")).context["cl"].filter_specs
    ]


def test_admin_when_keys_or_orders_are_not_permitted_then_no_link(staff_client, customer):
    staff = User.objects.get(is_staff=True)
    User.objects.filter(pk=staff.pk).update(is_superuser=False)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    link = reverse("admin:accounts_user_open_api_keys", args=[customer.pk])
    assert link not in page(staff_client, reverse("admin:accounts_user_change", args=[customer.pk]))
    assert staff_client.get(link).status_code == 403


# -- what a customer sees of a limit, and of what they typed wrong -------------------------------------


@pytest.mark.parametrize(("spent", "look"), [("44.99", "is-info"), ("45", "is-warning"), ("50", "is-warning")])
def test_list_when_nine_tenths_of_a_limit_are_spent_then_it_warns(signed_in, customer, spent, look):
    key = make_key(customer=customer, name="Shop", daily_limit=make.micros("50")).key
    spend(key=key, charge=make.micros(spent))
    assert f"delivered {look}" in page(signed_in, LIST)


@pytest.mark.parametrize(
    ("values", "focused"),
    [
        ({"name": ""}, "name"),
        ({"networks": "my-server"}, "networks"),
        ({"networks": "x", "daily_limit": "0"}, "networks"),
    ],
)
def test_form_when_fields_are_wrong_then_the_first_has_the_focus(signed_in, values, focused):
    text = signed_in.post(NEW, form(signed_in, **values)).content.decode()
    assert re.findall(r'name="(\w+)"[^>]* autofocus', text) == [focused]
    assert "autofocus" not in page(signed_in, NEW).partition("<main")[2]


def test_new_key_page_when_shown_then_first_request_has_no_secret(signed_in):
    text = signed_in.post(NEW, form(signed_in), follow=True).content.decode()
    part = html.unescape(text.split('id="api-first"')[1].split("</pre>")[0])
    assert "export UPMARK_KEY=the-key-you-copied\n" in part and part.endswith("-d action=balance")
    assert len(SECRET.findall(text)) == 1
