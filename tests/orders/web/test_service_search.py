"""What the box of the order form finds: links, platforms, categories, and what is like what was typed."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from catalog.models import Category, Service, ServiceFigures
from orders.checkout.links import MAX_LINK
from orders.web.service_search import platforms_on_sale
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.once]

NAMES = ("Instagram Likes", "Instagram Followers", "YouTube Views", "TikTok Likes", "Blue things")


@pytest.fixture
def shop(provider):
    """One service of each name, those of Instagram in two categories."""
    services = {name: make.service(provider, external_id=name, name=name) for name in NAMES}
    likes, _ = Category.objects.get_or_create(name="Instagram likes")
    Service.objects.filter(name="Instagram Likes").update(category=likes)
    return services


def options(client, **asked):
    response = client.get(reverse("order_find"), asked)
    assert response.status_code == 200
    return response.context["found"], response.content.decode()


def names_in(found):
    return {group.name: [offer.service.name for offer in group.offers] for group in found.groups}


def test_find_when_a_link_is_pasted_then_the_services_for_it(signed_in, shop):
    found, text = options(signed_in, q=" https://www.instagram.com/p/AbC123/ ")
    assert names_in(found) == {"For this Instagram post": ["Instagram Likes"]}
    assert 'data-link="https://www.instagram.com/p/AbC123/"' in text
    assert list(names_in(options(signed_in, q="youtube.com/watch?v=x")[0])) == ["For this YouTube video"]
    assert list(names_in(options(signed_in, q="youtube.com")[0])) == ["For this YouTube link"]
    found, text = options(signed_in, q="@natgeo")
    assert names_in(found) == {"For this profile": ["Instagram Followers"]}
    found, text = options(signed_in, q="https://vimeo.com/1")
    assert (names_in(found), "No service fits this link." in text) == ({}, True)


def test_box_when_shown_then_the_longest_link_fits(signed_in, shop):
    box = re.search(r'<input[^>]* id="id_find"[^>]*>', signed_in.get(reverse("order_new")).content.decode())
    assert f' maxlength="{MAX_LINK}"' in box[0]


def test_find_button_when_a_link_is_pasted_without_scripts_then_it_is_filled_in(signed_in, shop):
    link = "https://instagram.com/natgeo"
    page = signed_in.post(reverse("order_new"), {"find": link, "preview": "find"})
    assert page.context["form"]["link"].value() == link
    assert "Instagram Followers" in page.content.decode() and "YouTube Views" not in page.content.decode()
    kept = signed_in.post(reverse("order_new"), {"find": link, "link": "https://x.com/a", "preview": "find"})
    assert kept.context["form"]["link"].value() == "https://x.com/a"


def test_find_when_a_platform_is_chosen_then_its_categories_then_services(signed_in, shop):
    found, text = options(signed_in, platform="instagram")
    assert [(one.name, one.count) for one in found.categories] == [("Instagram likes", 1), ("Social", 1)]
    assert f'data-category="{found.categories[0].pk}"' in text
    found, text = options(signed_in, platform="instagram", category=found.categories[0].pk)
    assert names_in(found) == {"Instagram likes": ["Instagram Likes"]}
    assert 'id="option-back"' in text


def test_find_when_a_platform_has_many_categories_then_the_first_and_a_word(signed_in, shop, monkeypatch):
    monkeypatch.setattr("orders.web.service_search.MAX_CATEGORIES", 1)
    found, text = options(signed_in, platform="instagram")
    assert [one.name for one in found.categories] == ["Instagram likes"]
    assert "There are more categories." in text


def test_find_when_a_platform_has_one_category_then_its_services_at_once(signed_in, shop):
    found, text = options(signed_in, platform="youtube")
    assert names_in(found) == {"Social": ["YouTube Views"]}
    assert 'id="option-back"' not in text


@pytest.mark.parametrize("category", ["999", "x", "-1", "9" * 30])
def test_find_when_the_category_is_no_such_then_the_categories(signed_in, shop, category):
    assert len(options(signed_in, platform="instagram", category=category)[0].categories) == 2


def test_find_when_words_are_typed_then_in_the_platform_alone(signed_in, shop):
    assert names_in(options(signed_in, q="likes", platform="tiktok")[0]) == {"Social": ["TikTok Likes"]}
    found, text = options(signed_in, q="likes", platform="youtube")
    assert (names_in(found), found.elsewhere) == ({}, 2)
    assert "Show 2 services of all platforms" in text
    assert options(signed_in, q="likes", platform="no-such")[0].elsewhere == 2


def test_find_when_nothing_matches_then_asks_what_was_meant(signed_in, shop):
    found, text = options(signed_in, q="insatgramm folllowerss")
    assert found.did_you_mean == "instagram followers"
    assert 'data-query="instagram followers"' in text and "No service matches" in text


def test_platforms_when_shown_then_only_those_on_sale_by_number(signed_in, shop):
    assert [(one.label, one.count) for one in platforms_on_sale()] == [
        *(("Instagram", 2), ("TikTok", 1), ("YouTube", 1), ("Other", 1))
    ]
    Service.objects.filter(name="YouTube Views").update(is_on_sale=False)
    text = signed_in.get(reverse("order_new")).content.decode()
    assert 'data-platform="instagram"' in text and 'data-platform="youtube"' not in text


def test_option_when_shown_then_what_is_known_and_no_word_else(signed_in, shop):
    likes = shop["Instagram Likes"]
    Service.objects.filter(pk=likes.pk).update(refill_days=30, max_quantity=2_500_000)
    likes.upstream.__class__.objects.filter(pk=likes.upstream_id).update(max_quantity=10_000_000)
    ServiceFigures.objects.create(service=likes, timed=20, typical_seconds=7_200)
    text = options(signed_in, q="instagram likes")[1]
    for part in ("30 d", "Cancel", "~2 h", "10–2.5M", "$2.50"):
        assert part in text, part
    plain = shop["Blue things"]
    plain.upstream.__class__.objects.filter(pk=plain.upstream_id).update(refill=False, cancel=False)
    text = options(signed_in, q="blue")[1]
    assert not [part for part in (" d<", "Refill", "Cancel", "~", "None") if part in text]


# -- at the link -------------------------------------------------------------------------------------


def at_link(client, service, **typed):
    data = {"service": service.pk, **typed}
    page = client.post(reverse("order_quote"), data, headers={"HX-Request": "true"}).content.decode()
    return page.partition('id="link-question"')[2].partition('id="running-order"')[0], page


@pytest.mark.parametrize(
    ("link", "reading"),
    [
        ("https://www.instagram.com/Example.Shop/?igsh=x", "Instagram profile · @example.shop"),
        ("https://instagram.com/reel/AbC123/", "Instagram post"),
        ("https://www.youtube.com/channel/UCabc", "YouTube channel"),
        ("https://youtu.be/dQw4w9WgXcQ", "YouTube video"),
        ("https://t.me/example", "Telegram channel · @example"),
        ("https://open.spotify.com/track/1abc", "Spotify track"),
        ("https://facebook.com/example", "Facebook profile · example"),
        ("https://example.com/page", ""),
        ("@example", ""),
    ],
)
def test_link_when_read_then_says_as_what(signed_in, shop, link, reading):
    _question, page = at_link(signed_in, shop["Blue things"], link=link)
    assert ("link-reading" in page) == bool(reading)
    assert reading in page


def test_link_when_it_leads_elsewhere_then_asked_at_the_link_until_it_is_right(signed_in, shop):
    views, link = shop["YouTube Views"], "https://instagram.com/p/AbC123"
    page = at_link(signed_in, views, link=link, quantity="100")[1]
    assert page.count("This link leads to Instagram; the service is for YouTube.") == 1
    assert "Find Instagram services" in page and "Order anyway for" in page and "link-reading" not in page
    page = at_link(signed_in, views, link=link, quantity="100", link_is_right=link)[1]
    assert "leads to Instagram" not in page and "Order for $0.25" in page and "Instagram post" in page
    changed = at_link(signed_in, views, link="https://instagram.com/natgeo", link_is_right=link)[1]
    assert "leads to Instagram" in changed


def test_link_when_said_to_be_right_then_remembered_for_the_next_service(signed_in, shop):
    link = "https://instagram.com/p/AbC123"
    data = {"service": shop["TikTok Likes"].pk, "link": link, "link_is_right": link}
    page = signed_in.post(reverse("order_fields"), data).content.decode()
    assert f'name="link_is_right" id="id_link_is_right" value="{link}"' in page
    assert "leads to Instagram" not in page
