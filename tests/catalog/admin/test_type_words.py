"""Pages where the owner says what types and times for refills are, and the notes that lead there."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.models import PriceChange, Service, SyncRun, TypeWord, UpstreamService
from panel.accounts.models import User
from tests import make
from tests.admin_calls import action_address, preview_and_apply

pytestmark = pytest.mark.django_db

PAGE = "/admin/catalog/typeword/"
INBOX = "/admin/catalog/catalogchange/"
REFILLS = "/admin/catalog/catalogchange/refills/"


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    return make.provider()


@pytest.fixture
def likes(idle_provider):
    """Three services that cost $2.00, of a type that nobody knows."""
    services = [
        make.service(idle_provider, external_id=str(one), name=f"Likes <{one}>", type="likes") for one in (1, 2, 3)
    ]
    UpstreamService.objects.update(type_word="likes")
    Service.objects.update(is_on_sale=False)
    return services


def choose(client, of, **values):
    return client.post(PAGE, {"provider": of.pk, "word": "likes", "type": "default", **values})


def text_of(page):
    return " ".join(page.content.decode().split())


def test_page_when_word_unknown_then_shown_with_its_services(staff_client, idle_provider, likes):
    page = text_of(staff_client.get(PAGE))
    assert "“<bdi>likes</bdi>”" in page
    assert "3 services" in page
    assert "Likes &lt;1&gt;" in page
    assert "cannot be sold" in page


def test_page_when_every_type_is_known_then_says_so(staff_client, idle_provider):
    assert "Every type is understood" in text_of(staff_client.get(PAGE))


def test_choose_when_posted_then_preview_and_nothing_changed(staff_client, idle_provider, likes):
    response = choose(staff_client, idle_provider, put_on_sale="on")
    page = text_of(staff_client.get(response.url))
    assert '<strong class="text-important">3 services</strong> of the panel get another type' in page
    assert "10: $0.025" in page  # The smallest order, at $2.50 per 1,000.
    assert set(UpstreamService.objects.values_list("type", flat=True)) == {"likes"}


def test_choose_when_applied_then_sold_and_can_be_undone(staff_client, idle_provider, likes):
    preview_and_apply(staff_client, choose(staff_client, idle_provider, put_on_sale="on").url)
    assert Service.objects.filter(is_on_sale=True, upstream__type="default").count() == 3
    page = text_of(staff_client.get(PAGE))
    assert "Sold as Default" in page
    change = PriceChange.objects.get(state="applied")
    assert reverse("admin:catalog_pricechange_change", args=[change.pk]) in page
    assert "type not sold → Default" in text_of(staff_client.get(f"/admin/catalog/pricechange/{change.pk}/change/"))
    response = staff_client.post(action_address("catalog.pricechange", change.pk, "undo"))
    assert "/preview/" in response.url
    preview_and_apply(staff_client, response.url)
    assert not Service.objects.filter(is_on_sale=True).exists()
    assert set(UpstreamService.objects.values_list("type", flat=True)) == {"likes"}


def test_choose_when_package_then_preview_says_how_it_is_counted(staff_client, idle_provider, likes):
    page = text_of(staff_client.get(choose(staff_client, idle_provider, type="package").url))
    assert "The price of 3 is counted in another way" in page
    assert "1: $2.50" in page


def test_choose_when_surely_packages_then_preview_warns(staff_client, idle_provider, likes):
    UpstreamService.objects.filter(external_id="1").update(min_quantity=1, max_quantity=1)
    page = text_of(staff_client.get(choose(staff_client, idle_provider, put_on_sale="on").url))
    assert "1 takes an order of exactly 1 and is surely a package" in page


@pytest.mark.parametrize(
    "values",
    [{"type": "nothing"}, {"type": "subscriptions"}, {"provider": 99_999}, {"word": "x" * 61}, {"word": "none"}],
)
def test_choose_when_unreadable_then_nothing_changed(staff_client, idle_provider, likes, values):
    response = choose(staff_client, idle_provider, **values)
    assert response.url == PAGE
    assert not TypeWord.objects.exclude(type="").exists()


def test_page_when_manager_then_not_theirs_to_say(idle_provider, likes):
    manager = make.customer("manager@example.org")
    User.objects.filter(pk=manager.pk).update(is_staff=True)
    manager.user_permissions.set(Permission.objects.filter(codename__in=("view_typeword", "view_catalogchange")))
    client = Client()
    client.force_login(User.objects.get(pk=manager.pk))
    assert "See what it does" not in text_of(client.get(PAGE))
    assert choose(client, idle_provider).status_code == 403
    inbox = text_of(client.get(INBOX))
    assert "cannot be sold" in inbox
    assert "Choose what" not in inbox


@pytest.mark.parametrize("place", ["inbox", "provider", "import"])
def test_note_when_word_unknown_then_leads_to_the_page(staff_client, idle_provider, likes, place):
    run = SyncRun.objects.create(provider=idle_provider, outcome="applied", phase="done")
    address = {
        "inbox": INBOX,
        "provider": f"/admin/catalog/provider/{idle_provider.pk}/change/",
        "import": f"/admin/catalog/syncrun/{run.pk}/change/",
    }[place]
    page = text_of(staff_client.get(address))
    assert '3 services of type “<bdi class="font-semibold">likes</bdi>”' in page
    assert f"{PAGE}?provider={idle_provider.pk}" in page
    UpstreamService.objects.update(type="default")
    assert "cannot be sold" not in text_of(staff_client.get(address))


def test_note_when_many_words_are_unknown_then_the_first_are_named(staff_client, idle_provider):
    for number in range(7):
        make.service(idle_provider, external_id=str(number), type=f"word_{number}")
        UpstreamService.objects.filter(external_id=str(number)).update(type_word=f"word_{number}")
    page = text_of(staff_client.get(INBOX))
    assert page.count("cannot be sold") == 5
    assert "And 2 more types" in page


# -- times for refills -------------------------------------------------------------------------------


@pytest.fixture
def proposed(idle_provider):
    service = make.service(idle_provider, name="Followers R30 <b>")
    UpstreamService.objects.update(refill_days=30)
    return service


def answer(client, page, **values):
    row = page.context["groups"][0][1][0]
    shown = {"provider": row.provider.pk, "days": row.days, "now": "", "seen": row.seen}
    return client.post(REFILLS, {**shown, **values})


def test_refills_when_proposed_then_inbox_leads_to_them(staff_client, proposed):
    inbox = text_of(staff_client.get(INBOX))
    assert REFILLS in inbox
    page = text_of(staff_client.get(REFILLS))
    assert "30 days" in page
    assert "Followers R30 &lt;b&gt;" in page
    assert "1 service; not limited here now" in page


def test_refills_when_accepted_then_set(staff_client, proposed):
    answer(staff_client, staff_client.get(REFILLS), accept="1")
    proposed.refresh_from_db()
    assert proposed.refill_days == 30
    assert "Nothing is proposed" in text_of(staff_client.get(REFILLS))
    assert REFILLS not in text_of(staff_client.get(INBOX))
    change = PriceChange.objects.get()
    shown = text_of(staff_client.get(f"/admin/catalog/pricechange/{change.pk}/change/"))
    assert "time for refills not limited here → 30 days" in shown


def test_refills_when_declined_then_not_set(staff_client, proposed):
    answer(staff_client, staff_client.get(REFILLS), decline="1")
    proposed.refresh_from_db()
    assert (proposed.refill_days, proposed.refill_days_declined) == (None, 30)


@pytest.mark.parametrize("values", [{"seen": "older"}, {"days": "x"}, {"days": "60"}, {"provider": "99999"}])
def test_refills_when_not_as_shown_then_nothing_changed(staff_client, proposed, values):
    answer(staff_client, staff_client.get(REFILLS), accept="1", **values)
    proposed.refresh_from_db()
    assert proposed.refill_days is None


def test_refills_when_no_right_then_refused(proposed):
    viewer = make.customer("viewer@example.org")
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_catalogchange"))
    client = Client()
    client.force_login(User.objects.get(pk=viewer.pk))
    page = client.get(REFILLS)
    assert "Accept</" not in text_of(page)
    assert answer(client, page, accept="1").status_code == 403


def test_service_page_when_list_states_more_then_shown(staff_client, proposed):
    UpstreamService.objects.update(quantity_step=50, average_time="1 <b>hour</b>", speed="10K/day")
    address = f"/admin/catalog/service/{proposed.pk}/change/"
    page = text_of(staff_client.get(address))
    assert "10 to 10,000, in multiples of 50" in page
    assert "takes 1 &lt;b&gt;hour&lt;/b&gt;, speed 10K/day" in page
    form = staff_client.get(address).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    typed = {name: value for name, value in values.items() if value is not None and value is not False}
    staff_client.post(address, {**typed, "refill_days": "36501"})
    proposed.refresh_from_db()
    assert proposed.refill_days is None
    staff_client.post(address, {**typed, "refill_days": "45"})
    proposed.refresh_from_db()
    assert proposed.refill_days == 45
