"""What a link may be, by what its service takes."""

from __future__ import annotations

import pytest

from catalog.link_kinds import Expected, LinkKind
from catalog.models import Service
from orders.checkout.validation import BadLink, check_link
from orders.models import Order
from tests.orders.checkout.test_create import create, fresh, nothing_changes

GUESSED = Expected()
ODD_LINKS = [
    "natgeo",
    "123456789",
    "-1001234567890",
    "abc123|123456789",
    "tg://resolve?domain=natgeo",
    "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
    "UCX6OQ3DkcsbYNE6H8uQQuVA",
    "+1 (212) 555-0100",
    "@natgeo",
    "https://t.me/natgeo",
]


def exact(kind: LinkKind) -> Expected:
    return Expected(kind, is_guess=False)


@pytest.mark.parametrize("link", ODD_LINKS)
@pytest.mark.parametrize("kind", LinkKind)
def test_link_when_the_kind_is_guessed_then_plausible_ones_pass(kind, link):
    assert check_link(f" {link}\u200f", expected=Expected(kind)) == link


TAKEN = {
    LinkKind.ADDRESS: ("https://example.com/a", "example.com/a", "@natgeo"),
    LinkKind.USERNAME: ("natgeo", "@nat.geo", "UCX6OQ3DkcsbYNE6H8uQQuVA", "народ"),
    LinkKind.NUMBER: ("123456789", "-1001234567890", "abc123|123456789"),
    LinkKind.PHONE: ("+1 (212) 555-0100", "4915112345678", "+49.151.1234567"),
    LinkKind.APP: ("tg://resolve?domain=natgeo", "spotify:track:4uLU6hMCjMI75M1A2tKUQC", "myapp://a/b"),
    LinkKind.KEYWORD: ("red shoes", "عبارت\u200cها", "#shoes"),
    LinkKind.TEXT: ("Anything: really, https://example.com or not", "👩\u200d👩\u200d👧"),
}
REFUSED = {
    LinkKind.ADDRESS: {"natgeo": "no link", "123456789": "no link", "tg://resolve?domain=a": "no link"},
    LinkKind.USERNAME: {
        "https://instagram.com/natgeo": "username alone",
        "instagram.com/natgeo": "username alone",
        "nat geo": "no spaces",
        "...": "no username",
        "a" * 102: "no username",
    },
    LinkKind.NUMBER: {"natgeo": "takes a number", "12 34": "no spaces", "1.5": "takes a number"},
    LinkKind.PHONE: {"12345": "country code", "natgeo": "country code", "+" + "1" * 16: "country code"},
    LinkKind.APP: {
        "https://t.me/natgeo": "link of the app",
        "javascript:alert(1)": "link of the app",
        "data:text/html,x": "link of the app",
        "natgeo": "link of the app",
    },
    LinkKind.KEYWORD: {"https://example.com": "words to search for", "a" * 201: "too many", "a\u202eb": "invisible"},
    LinkKind.TEXT: {"a\nb": "invisible", "a\x00b": "invisible", "a" * 2_001: "too long"},
}


@pytest.mark.parametrize(("kind", "link"), [(kind, link) for kind, links in TAKEN.items() for link in links])
def test_link_when_the_owner_set_the_kind_then_its_own_pass(kind, link):
    assert check_link(f"\u2068{link} ", expected=exact(kind)) == link


@pytest.mark.parametrize(
    ("kind", "link", "words"), [(kind, link, words) for kind, rows in REFUSED.items() for link, words in rows.items()]
)
def test_link_when_the_owner_set_the_kind_then_others_refused(kind, link, words):
    with pytest.raises(BadLink, match=words) as refusal:
        check_link(link, expected=exact(kind))
    assert refusal.value.field == "link"


@pytest.mark.parametrize("kind", LinkKind)
@pytest.mark.parametrize("link", ["", " \u200f "])
def test_link_when_empty_then_refused_in_words_of_its_kind(kind, link):
    with pytest.raises(BadLink, match=r"^Enter the "):
        check_link(link, expected=exact(kind))


@pytest.mark.parametrize(
    "link", ["two words", "ftp://example.com/a", "javascript:alert(1)", "unknown:thing", "a@b.example"]
)
def test_link_when_guessed_and_not_plausible_then_refused(link):
    with pytest.raises(BadLink):
        check_link(link, expected=GUESSED)


@pytest.mark.parametrize(
    ("kind", "link"),
    [(LinkKind.KEYWORD, "red shoes"), (LinkKind.TEXT, "any text"), (LinkKind.PHONE, "+1 212 555 0100")],
)
def test_link_when_words_are_guessed_then_they_pass_there(kind, link):
    assert check_link(link, expected=Expected(kind)) == link


# -- orders ------------------------------------------------------------------------------------------


def test_order_when_marks_surround_the_link_then_its_own_text_is_kept(customer, service):
    order = fresh(create(customer, service, link="\u200fhttps://www.Instagram.com/p/AbC/?igsh=1\u2069").order)
    assert (order.link, order.link_key) == ("https://www.Instagram.com/p/AbC/?igsh=1", "instagram.com/p/AbC")


def test_order_when_the_owner_set_a_kind_then_it_is_checked(customer, service):
    service.link_kind = LinkKind.USERNAME
    service.save()
    with nothing_changes(), pytest.raises(BadLink, match="username alone"):
        create(customer, service, link="https://instagram.com/natgeo")
    assert create(customer, service, link="natgeo").created


def test_order_when_sent_again_after_the_kind_changed_then_the_same(customer, service):
    first = create(customer, service, link="natgeo", request_key="a" * 32)
    service.link_kind = LinkKind.PHONE
    service.save()
    again = create(customer, service, link="natgeo\u200f", request_key="a" * 32)
    assert (again.order.pk, again.created, Order.objects.count()) == (first.order.pk, False, 1)


def test_kind_when_the_providers_name_tells_then_guessed(customer, service):
    upstream = service.upstream
    upstream.name, upstream.category = "Google clicks [keyword]", "Google"
    upstream.save()
    assert fresh(create(customer, service, link="red shoes").order).link == "red shoes"
    upstream.name, upstream.category = "Followers", "Instagram"
    assert Service(upstream=upstream, name="Fans").expected_link == GUESSED
