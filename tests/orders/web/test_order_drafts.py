"""What a customer typed and did not order yet: kept, put back, and gone once it is ordered or discarded."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from billing.deposits import approve_deposit
from billing.mails import send_due_mails
from orders.common.drafts import DraftFacts, draft_of, keep_draft
from orders.models import Order, OrderDraft
from panel.account_home.closing import close_account
from panel.account_home.my_data import my_data
from panel.ops.pruning.old_rows import prune_drafts
from tests import make
from tests.orders.web.test_order_form import LINK
from tests.scenes import nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold"), pytest.mark.once]

KEY = "ab" * 16
OTHER_LINK = "https://example.com/other"


@pytest.fixture
def typed(customer, service) -> dict[str, Any]:
    """Alice's form: 100 followers for $0.25, as her browser posts it."""
    owner = make.form_owner(customer, reverse("order_new"))
    form = {"service": service.pk, "link": LINK, "quantity": "100", "request_key": KEY}
    return {**form, "owner": owner, "seen_charge": 10**9}


def ask(client: Client, typed: dict[str, Any], **changes: Any) -> Any:
    return client.post(reverse("order_quote"), {**typed, **changes}, headers={"HX-Request": "true"})


def send(client: Client, typed: dict[str, Any], **changes: Any) -> Any:
    return client.post(reverse("order_new"), {**typed, **changes})


def open_form(client: Client, **query: Any) -> Any:
    return client.get(reverse("order_new"), query)


def values(response: Any) -> dict[str, Any]:
    form = response.context["form"]
    return {name: form[name].value() for name in ("service", "link", "quantity", "request_key") if name in form.fields}


# -- kept and put back ---------------------------------------------------------------------------------


def test_draft_when_typed_then_every_browser_gets_it_with_its_key(signed_in, customer, service, typed):
    ask(signed_in, typed)
    elsewhere = Client()
    elsewhere.force_login(customer)
    response = open_form(elsewhere)
    assert values(response) == {"service": str(service.pk), "link": LINK, "quantity": "100", "request_key": KEY}
    text = strip_tags(response.content.decode())
    assert "We kept what you typed" in text
    assert "Order for $0.25" in text


def test_draft_when_a_service_is_chosen_then_kept_too(signed_in, customer, service, typed):
    signed_in.post(reverse("order_fields"), typed)
    assert draft_of(customer=customer).typed["link"] == LINK


def test_draft_when_the_form_is_emptied_then_none(signed_in, customer, typed):
    ask(signed_in, typed)
    ask(signed_in, typed, service="", link="", quantity="")
    assert not OrderDraft.objects.exists()


def test_draft_when_of_another_customer_then_neither_seen_nor_replaced(signed_in, customer, other, typed):
    ask(signed_in, typed)
    client = Client()
    client.force_login(other)
    assert open_form(client).context["draft"] is None
    ask(client, typed, link="https://example.com/hers")  # Alice's page, while Bob is signed in.
    assert not OrderDraft.objects.filter(customer=other).exists()
    assert draft_of(customer=customer).typed["link"] == LINK


def test_draft_when_ordered_then_gone_and_a_late_answer_brings_none_back(signed_in, customer, typed):
    ask(signed_in, typed)
    assert send(signed_in, typed).status_code == 302
    assert not OrderDraft.objects.exists()
    ask(signed_in, typed)  # Sent before the order, answered after it.
    assert draft_of(customer=customer) is None
    assert values(open_form(signed_in))["link"] is None


def test_draft_when_the_order_is_of_another_form_then_it_stays(signed_in, customer, typed):
    ask(signed_in, typed)
    assert send(signed_in, typed, request_key=uuid4().hex).status_code == 302
    assert draft_of(customer=customer) is not None


def test_draft_when_the_answer_of_its_order_was_lost_then_sent_again_it_is_the_same(signed_in, customer, typed):
    first = send(signed_in, typed)
    again = send(signed_in, typed)
    assert first.url == again.url
    assert Order.objects.count() == 1


def test_order_when_its_form_is_sent_again_later_then_nothing_new_and_said(signed_in, customer, typed):
    send(signed_in, typed)
    assert "Nothing new" not in signed_in.get(send(signed_in, typed).url).content.decode()  # A double click.
    Order.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    text = signed_in.get(send(signed_in, typed).url).content.decode()
    assert "This form was sent before and created what you see here. Nothing new was ordered." in text
    assert Order.objects.count() == 1


def test_form_when_gone_back_to_without_scripts_then_kept_as_another_order(signed_in, customer, typed):
    send(signed_in, typed)
    shown = values(send(signed_in, typed, preview="1", quantity="200"))
    assert shown["request_key"] != KEY
    assert draft_of(customer=customer).typed["quantity"] == "200"
    send(signed_in, typed, **shown)
    assert Order.objects.count() == 2


def test_key_when_asked_about_then_says_if_it_became_this_customers_order(signed_in, other, typed):
    def is_created(client: Client, key: str) -> bool:
        return client.get(reverse("order_sent"), {"key": key}).json()["is_created"]

    assert not is_created(signed_in, KEY)
    send(signed_in, typed)
    stranger = Client()
    stranger.force_login(other)
    assert is_created(signed_in, KEY)
    assert not is_created(stranger, KEY)
    assert not is_created(signed_in, "\x00")


def test_draft_when_another_service_is_asked_for_then_its_link_and_quantity_stay(signed_in, provider, typed):
    likes = make.service(provider, external_id="2", name="Likes")
    ask(signed_in, typed)
    response = open_form(signed_in, service=likes.pk)
    found = values(response)
    assert found.pop("request_key") != KEY  # The draft may be open in another tab.
    assert found == {"service": str(likes.pk), "link": LINK, "quantity": "100"}
    assert "We kept what you typed" in response.content.decode()


@pytest.mark.parametrize("by", ["again", "link"])
def test_draft_when_another_order_is_asked_for_then_said_and_kept_until_typed(signed_in, customer, service, typed, by):
    query = {"link": OTHER_LINK} if by == "link" else {"again": make.order(customer, service, link=OTHER_LINK).pk}
    words = "Another order of yours is kept. What you type here replaces it."
    assert words not in open_form(signed_in, **query).content.decode()
    ask(signed_in, typed)
    response = open_form(signed_in, **query)
    assert words in response.content.decode()
    assert values(response)["link"] == OTHER_LINK
    assert values(open_form(signed_in))["link"] == LINK


def test_draft_when_started_over_then_gone(signed_in, typed):
    ask(signed_in, typed)
    response = signed_in.post(reverse("order_discard"), follow=True)
    assert not OrderDraft.objects.exists()
    assert response.context["form"]["link"].value() is None


def test_draft_when_refused_without_scripts_then_kept(signed_in, customer, typed):
    with nothing_changes():
        send(signed_in, typed, quantity="5")
    assert draft_of(customer=customer).typed["quantity"] == "5"


def test_draft_when_it_holds_a_nul_or_too_much_then_the_rest_is_kept(customer):
    keep_draft(customer=customer, typed={"link": "a\x00b", "comments": "x" * 200_000}, facts=DraftFacts())
    assert draft_of(customer=customer).typed == {"link": "ab"}


def test_draft_when_typed_many_times_then_one_row_by_one_statement(customer):
    for number in range(3):
        with statements() as found:
            keep_draft(customer=customer, typed={"link": str(number)}, facts=DraftFacts())
        assert len(found) == 1
    assert OrderDraft.objects.get().typed == {"link": "2"}


def test_draft_when_old_then_pruned(customer, other):
    for one, days in ((customer, 31), (other, 29)):
        keep_draft(customer=one, typed={"link": "a"}, facts=DraftFacts())
        OrderDraft.objects.filter(customer=one).update(updated_at=timezone.now() - timedelta(days=days))
    assert (prune_drafts(), prune_drafts()) == (1, None)
    assert OrderDraft.objects.get().customer == other


def test_draft_when_the_account_is_closed_then_gone_and_before_in_its_data(customer):
    keep_draft(customer=customer, typed={"link": LINK}, facts=DraftFacts())
    assert json.loads("".join(my_data(customer)))["drafts"][0]["typed"] == {"link": LINK}
    close_account(customer=customer, gives_up=10_000_000)
    assert not OrderDraft.objects.exists()


# -- missing money -------------------------------------------------------------------------------------


def test_button_when_money_is_missing_then_adds_it_in_whole_cents(signed_in, typed):
    text = ask(signed_in, typed, quantity="9999").content.decode()  # $24.9975 of $10.
    assert "Add $15.00 and order" in strip_tags(text)
    assert 'name="seen_missing"' in text


def test_order_when_money_is_missing_then_kept_and_led_to_add_funds(signed_in, customer, typed):
    make.payment_method(minimum=make.micros("5"))
    with nothing_changes():
        response = send(signed_in, typed, quantity="7000", seen_missing="1")
    assert response.url == f"{reverse('add_funds')}?amount=7.50"
    draft = draft_of(customer=customer)
    assert (draft.is_short, draft.charge, draft.quantity) == (True, 17_500_000, 7_000)
    page = signed_in.get(response.url)
    assert page.context["form"]["amount"].value() == "7.50"
    assert "Your order is kept: 7,000 of Followers, $17.50. You need $7.50 more." in strip_tags(page.content.decode())
    assert signed_in.get(f"{reverse('add_funds')}?amount=0.3").context["form"]["amount"].value() == "5"


@pytest.mark.parametrize("amount", ["", "x", "-3", "0", "1e9", "%00", "9" * 40])
def test_amount_when_the_address_has_an_odd_one_then_none(signed_in, amount):
    make.payment_method()
    assert signed_in.get(f"{reverse('add_funds')}?amount={amount}").context["form"]["amount"].value() is None


def test_order_when_the_shortage_was_not_seen_then_said_at_the_form(signed_in, typed):
    with nothing_changes():
        response = send(signed_in, typed, quantity="7000")
    assert "is missing" in response.content.decode()
    assert response.status_code == 200


def test_kept_order_when_the_money_came_then_each_page_and_the_mail_lead_back(signed_in, customer, staff, typed):
    deposit = make.pending_deposit(customer, "7.5")
    send(signed_in, typed, quantity="7000", seen_missing="1")
    addresses = [reverse("wallet"), reverse("deposit_detail", args=[deposit.pk])]
    for address in addresses:
        assert "You need" in signed_in.get(address).content.decode()
    approve_deposit(deposit_id=deposit.pk, actor=staff, credited=deposit.amount)
    for address in addresses:
        text = signed_in.get(address).content.decode()
        assert "Your order is kept: 7,000 of Followers, $17.50." in text
        assert f'<a href="{reverse("order_new")}">Continue the order</a>' in text
    send_due_mails()
    body = next(one.body for one in mail.outbox if one.subject.startswith("Your funds were added"))
    assert "Your order is kept: 7,000 of Followers, $17.50. Nothing is charged until you confirm it." in body
    assert f"Continue the order: http://testserver{reverse('order_new')}" in body or reverse("order_new") in body
    page = open_form(signed_in).content.decode()
    assert "your balance covers it now" in page
    assert "Order for" in page and not Order.objects.exists()
    send(signed_in, typed, quantity="7000")
    assert Order.objects.count() == 1
    assert "is kept" not in signed_in.get(reverse("wallet")).content.decode()


def test_kept_order_when_none_waits_for_money_then_no_notice(signed_in, customer, typed):
    make.payment_method()
    ask(signed_in, typed)
    assert "is kept" not in signed_in.get(reverse("wallet")).content.decode()
    assert "is kept" not in signed_in.get(reverse("add_funds")).content.decode()


def test_kept_order_when_of_a_package_then_named_without_a_number(signed_in, provider, typed):
    service = make.service(provider, external_id="2", name="Starter", type="package", rate="16")
    send(signed_in, typed, service=service.pk, seen_missing="1")
    assert "Your order is kept: Starter, $20.00." in signed_in.get(reverse("wallet")).content.decode()


# -- a token of an earlier sign-in -----------------------------------------------------------------------


@pytest.fixture
def strict(customer) -> Client:
    """Alice's browser, whose requests need the right token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer)
    return client


def test_form_when_its_token_is_old_then_shown_again_and_nothing_ordered(strict, typed):
    with nothing_changes():
        response = send(strict, typed)
    assert response.status_code == 403
    assert {**values(response), "service": typed["service"]} == {name: typed[name] for name in values(response)}
    assert "You signed in again meanwhile" in response.content.decode()
    assert not OrderDraft.objects.exists()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.content.decode())
    assert send(strict, typed, csrfmiddlewaretoken=token[1]).status_code == 302
    assert Order.objects.count() == 1


@pytest.mark.parametrize("owner", ["", "1:abc:def"])
def test_form_when_its_token_is_old_and_another_site_made_it_then_not_shown(strict, typed, owner):
    with nothing_changes():
        response = send(strict, typed, owner=owner)
    assert response.status_code == 403
    assert LINK not in response.content.decode()


def test_form_when_its_token_is_old_and_another_is_signed_in_then_not_shown(other, typed):
    client = Client(enforce_csrf_checks=True)
    client.force_login(other)
    response = send(client, typed)
    assert response.status_code == 403
    assert LINK not in response.content.decode()


def test_form_when_its_token_is_old_and_nobody_is_signed_in_then_kept_for_the_sign_in(customer, typed):
    client = Client(enforce_csrf_checks=True)
    assert send(client, typed).url.startswith(reverse("account_login"))
    client.force_login(customer)
    assert values(open_form(client))["link"] == LINK
    assert draft_of(customer=customer).typed["link"] == LINK


def test_quote_when_its_token_is_old_then_the_script_is_told(strict, typed):
    response = ask(strict, typed)
    assert (response.status_code, response.headers["X-Notice"]) == (403, "form-expired")
    strict.logout()
    assert ask(strict, typed).headers["X-Notice"] == "signed-out"


def test_mass_form_when_its_token_is_old_then_sent_again_by_hand(strict, customer):
    owner = make.form_owner(customer, reverse("mass_order"))
    response = strict.post(reverse("mass_order"), {"lines": "1 | a | 2", "do": "preview", "owner": owner})
    assert response.status_code == 403
    assert '<input type="hidden" name="lines" value="1 | a | 2">' in response.content.decode()
    assert owner not in response.content.decode()
    secret = strict.post(reverse("mass_order"), {"lines": "1 | a | 2"})
    assert "1 | a | 2" not in secret.content.decode()
