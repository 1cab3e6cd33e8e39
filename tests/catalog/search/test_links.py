"""A link that is pasted first finds the services that fit it."""

from __future__ import annotations

import pytest

from catalog.search.index import Row, build_index
from catalog.search.links import fitting, read_link
from panel.lib.links.places import What

pytestmark = pytest.mark.once

NAMES = (
    "Instagram Likes",
    "Instagram Followers",
    "Instagram Story boost",
    "YouTube Views",
    "YouTube Subscribers",
    "Threads & Instagram Followers",
    "Website visitors",
)
SHOP = build_index(Row(number, name, 1, "All", "default", "") for number, name in enumerate(NAMES, start=1))


@pytest.mark.parametrize(
    ("link", "names"),
    [
        ("https://www.instagram.com/p/AbC123/", ["Instagram Likes", "Instagram Story boost"]),
        ("instagram.com/reel/AbC123", ["Instagram Likes", "Instagram Story boost"]),
        (
            " https://instagram.com/natgeo?igsh=1 ",
            ["Instagram Followers", "Threads & Instagram Followers", "Instagram Story boost"],
        ),
        ("https://youtu.be/dQw4w9WgXcQ", ["YouTube Views"]),
        ("youtube.com", ["YouTube Views", "YouTube Subscribers"]),
        ("@natgeo", ["Instagram Followers", "YouTube Subscribers", "Threads & Instagram Followers"]),
        ("https://example.com/page", ["Website visitors"]),
    ],
)
def test_link_when_pasted_then_the_services_that_fit(link, names):
    assert [NAMES[pk - 1] for pk in fitting(SHOP, read_link(link))] == names


@pytest.mark.parametrize("text", ["", "@", "likes", "no.drop", "24/7", "instagram likes", "30-day", "5 · Likes", "x.y"])
def test_text_when_it_is_no_link_then_words(text):
    assert read_link(text) is None


def test_name_when_pasted_then_of_no_platform():
    place = read_link("@NatGeo")
    assert (place.platform, place.what, place.key) == ("", What.PROFILE, "@natgeo")
