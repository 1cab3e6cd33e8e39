"""Pages that set many agreed prices: asked, shown, and done as shown."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.models import CustomerPrice, Service
from tests import make
from tests.panel.ops.customers.test_listing import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    user = make.owner()
    client.force_login(user)
    return user


@pytest.fixture
def service(db):
    made = make.service(make.provider())
    Service.objects.update(cost=1_000_000, price=2_000_000)
    return made


def address(customer, kind):
    return reverse(f"customer_prices_{kind}", args=[customer.pk])


def confirm(client, customer, kind, response):
    """Send the form of the preview."""
    return client.post(address(customer, kind), {**response.context["kept"], "seen": response.context["plan"].seen})


def prices():
    return sorted(CustomerPrice.objects.values_list("customer__email", "price"))


def test_copy_when_previewed_and_confirmed_then_agreed(client, owner, customer, other, service):
    CustomerPrice.objects.create(customer=customer, service=service, price=1_500_000)
    data = {"customers": f"{other.email.upper()}\n", "rule": "keep"}
    preview = client.post(address(customer, "copy"), data)
    assert "New 1 Changed 0 Kept 0" in text_of(preview)
    assert len(prices()) == 1
    response = confirm(client, customer, "copy", preview)
    assert response["Location"] == reverse("customer_prices", args=[customer.pk])
    assert prices() == [(customer.email, 1_500_000), (other.email, 1_500_000)]
    entry = LogEntry.objects.get(object_id=str(other.pk))
    assert "Prices were copied from alice@example.org" in entry.get_change_message()


def test_copy_when_there_is_another_price_then_says_which_wins(client, owner, customer, other, service):
    CustomerPrice.objects.create(customer=customer, service=service, price=1_500_000)
    CustomerPrice.objects.create(customer=other, service=service, price=1_700_000)
    text = text_of(client.post(address(customer, "copy"), {"customers": other.email, "rule": "keep"}))
    assert "Another price is agreed already for 1 of them. What wins: the price they have stays." in text
    assert "Kept, not $1.50" in text


@pytest.mark.parametrize("to", ["nobody@example.org", "alice@example.org", " "])
def test_copy_when_the_customers_are_wrong_then_said_at_the_field(client, owner, customer, service, to):
    CustomerPrice.objects.create(customer=customer, service=service, price=1_500_000)
    response = client.post(address(customer, "copy"), {"customers": to, "rule": "keep"})
    assert response.context["form"].errors["customers"]


def test_set_when_percent_off_a_category_then_agreed(client, owner, customer, service):
    data = {"category": service.category_id, "off_bp": "10", "rule": "take"}
    preview = client.post(address(customer, "set"), data)
    assert confirm(client, customer, "set", preview).status_code == 302
    assert prices() == [(customer.email, 1_800_000)]


def test_set_when_below_the_lowest_price_then_warned(client, owner, customer, service):
    data = {"services": str(service.pk), "price": "0.5", "rule": "take"}
    text = text_of(client.post(address(customer, "set"), data))
    assert "Below the lowest price: 1 of them." in text


@pytest.mark.parametrize(
    "data",
    [
        {"services": "1"},
        {"services": "1", "price": "1", "off_bp": "5"},
        {"price": "1"},
        {"services": "999999", "price": "1"},
        {"services": "x", "price": "1"},
        {"services": "1", "price": "0"},
        {"services": "1", "off_bp": "100"},
    ],
)
def test_set_when_incomplete_then_the_form_says_so(client, owner, customer, service, data):
    response = client.post(address(customer, "set"), {**data, "rule": "take"})
    assert response.context["form"].errors
    assert prices() == []


def test_import_when_previewed_and_confirmed_then_agreed(client, owner, customer, service):
    file = SimpleUploadedFile("p.csv", f"service,agreed price\n{service.pk},1.75\n".encode())
    preview = client.post(address(customer, "import"), {"file": file})
    assert prices() == []
    assert confirm(client, customer, "import", preview).status_code == 302
    assert prices() == [(customer.email, 1_750_000)]


def test_import_when_a_line_is_wrong_then_told_and_nothing_changed(client, owner, customer, service):
    file = SimpleUploadedFile("p.csv", f"service,agreed price\n{service.pk},1.75\n{service.pk},x\n".encode())
    text = text_of(client.post(address(customer, "import"), {"file": file}))
    assert "Nothing was changed. Line 3: agreed price:" in text
    assert prices() == []


def test_confirmation_when_prices_moved_then_shown_again(client, owner, customer, service):
    data = {"services": str(service.pk), "price": "1.5", "rule": "take"}
    preview = client.post(address(customer, "set"), data)
    CustomerPrice.objects.create(customer=customer, service=service, price=1_900_000)
    response = confirm(client, customer, "set", preview)
    assert "Prices changed since you saw this. Nothing was changed" in text_of(response)
    assert prices() == [(customer.email, 1_900_000)]
    assert confirm(client, customer, "set", response).status_code == 302
    assert prices() == [(customer.email, 1_500_000)]


def test_set_when_ones_own_account_then_refused_and_logged(client, owner, service):
    response = client.post(address(owner, "set"), {"services": str(service.pk), "price": "1.5", "rule": "take"})
    assert "This belongs to your own account" in text_of(response)
    assert prices() == []
    assert "own account" in LogEntry.objects.get().get_change_message()


def test_page_when_signed_in_long_ago_then_asked_again(client, owner, customer, real_sign_in_times):
    assert client.get(address(customer, "set")).url.startswith(reverse("account_reauthenticate"))


def test_export_when_opened_then_no_cost_in_it(client, owner, customer, service):
    CustomerPrice.objects.create(customer=customer, service=service, price=1_500_000)
    text = b"".join(client.get(address(customer, "export"))).decode()
    assert text.splitlines()[1] == f"{service.pk},{service.name},2,1.5"
