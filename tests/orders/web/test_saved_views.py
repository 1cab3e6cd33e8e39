"""Views of the list of orders that a customer saves under a name."""

from __future__ import annotations

import pytest
from django.urls import reverse

from orders.models import SavedView
from orders.states import Status
from orders.web import saved_views
from orders.web.saved_views import ViewRefused, save_view
from tests import make
from tests.orders.web.listed import get, pks, shown, text_of
from tests.scenes import nothing_changes

pytestmark = pytest.mark.django_db


def post(client, name, query="status=partial"):
    return client.post(f"{reverse('order_list')}?{query}", {"name": name})


def test_view_when_saved_then_its_chip_opens_the_same_orders(signed_in, create_orders):
    create_orders(2, status=Status.COMPLETED)
    partial = create_orders(1, status=Status.PARTIAL)
    answer = post(signed_in, "Client A", "status=partial&q=example&sort=newest&after=9.9")
    assert answer.url == f"{reverse('order_list')}?q=example&status=partial"
    page = signed_in.get(answer.url)
    [chip] = page.context["views"]
    assert (chip.label, chip.is_active, chip.url) == ("Client A", True, answer.url)
    assert shown(signed_in.get(chip.url)) == pks(partial)
    assert "Save this view" not in text_of(page) and "Delete this view" in text_of(page)


def test_view_when_no_filter_is_on_then_not_offered(signed_in, create_orders):
    create_orders()
    assert "Save this view" not in text_of(get(signed_in))
    assert "Save this view" in text_of(get(signed_in, status="pending"))
    with nothing_changes():
        assert post(signed_in, "All", "").status_code == 200


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Give it a name"),
        ("x" * 41, "at most 40 characters"),
        ("a\x00b", "invisible"),
        ("Client A", "You have a view of this name already."),
    ],
)
def test_view_when_its_name_is_wrong_then_said_at_the_field(signed_in, customer, create_orders, name, words):
    create_orders()
    save_view(customer=customer, name="Client A", query="status=completed")
    page = post(signed_in, name)
    assert words in " ".join(page.context["name_form"].errors["name"])
    assert page.status_code == 200 and words in text_of(page)
    if name.isprintable():
        assert f'value="{name}"' in text_of(page) or not name
    assert SavedView.objects.count() == 1


def test_view_when_saved_twice_then_once(signed_in, customer):
    assert post(signed_in, "Client A").status_code == post(signed_in, "Client A").status_code == 302
    assert SavedView.objects.get().customer == customer


def test_view_when_there_are_too_many_then_refused(customer, monkeypatch):
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 1)
    save_view(customer=customer, name="One", query="status=partial")
    with pytest.raises(ViewRefused, match="You have 1 views"):
        save_view(customer=customer, name="Two", query="status=partial")


def test_view_when_its_filters_are_too_long_then_refused(customer):
    with pytest.raises(ViewRefused, match="too long"):
        save_view(customer=customer, name="One", query="q=" + "x" * 4_000)


def test_view_when_deleted_then_the_filters_stay(signed_in, customer, create_orders):
    create_orders(1, status=Status.PARTIAL)
    view = save_view(customer=customer, name="Client A", query="status=partial")
    answer = signed_in.post(reverse("view_delete", args=[view.pk]))
    assert answer.url == f"{reverse('order_list')}?status=partial"
    assert not SavedView.objects.exists()
    assert "View “Client A” was deleted." in text_of(signed_in.get(answer.url))


def test_view_when_of_another_then_neither_shown_nor_deleted(signed_in, create_orders):
    create_orders()
    view = save_view(customer=make.customer("bob2@example.org"), name="Theirs", query="status=partial")
    assert "Theirs" not in text_of(get(signed_in))
    with nothing_changes():
        assert signed_in.post(reverse("view_delete", args=[view.pk])).status_code == 404
