"""What is asked about an order as it is typed, and what is not."""

from __future__ import annotations

import pytest

from catalog.models import Service, UpstreamService
from orders.checkout.questions import key_of_questions, link_question, remarks_about, split_lines
from panel.lib.links.places import What

# Reads text only.
pytestmark = pytest.mark.once

POST, PROFILE = "https://instagram.com/p/A", "https://instagram.com/natgeo"


def sold(name: str, *, category: str = "", service_type: str = "default") -> Service:
    return Service(name=name, upstream=UpstreamService(name=name, category=category, type=service_type))


@pytest.mark.parametrize(
    ("name", "link", "words"),
    [
        ("Instagram Followers", "https://youtu.be/a", "leads to YouTube; the service is for Instagram."),
        ("YouTube + TikTok Likes", "t.me/natgeo", "leads to Telegram; the service is for TikTok or YouTube."),
        ("Instagram Followers", POST, "leads to a post or video; the service is for a profile"),
        ("Instagram Likes", PROFILE, "leads to a profile or channel; the service is for a post"),
        ("Instagram Likes", "@natgeo", "This is a name; the service is for a post"),
        ("Spotify Plays", "tg://resolve?domain=natgeo", "leads to Telegram; the service is for Spotify."),
        ("Telegram Members", "UCX6OQ3DkcsbYNE6H8uQQuVA", "leads to YouTube"),
    ],
)
def test_link_when_it_may_be_the_wrong_one_then_asked(name, link, words):
    assert words in link_question(service=sold(name), link=f" {link}\u200f")


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("Instagram Followers", PROFILE),
        ("Instagram Likes", POST),
        ("Instagram Followers", "@natgeo"),
        ("Instagram Followers", "natgeo"),
        ("Instagram Likes", "https://example.com/short"),
        ("Instagram Story views", PROFILE),
        ("Auto likes Instagram", PROFILE),
        ("Likes", "https://youtu.be/a"),
        ("Website traffic", "https://instagram.com/natgeo"),
        ("Spotify Followers", "https://open.spotify.com/playlist/a"),
        ("Instagram, TikTok Likes", "https://www.tiktok.com/@a/video/1"),
        ("Instagram Followers", ""),
    ],
)
def test_link_when_nothing_speaks_against_it_then_not_asked(name, link):
    assert link_question(service=sold(name), link=link) == ""


def about(service_type: str, **params: str) -> list[tuple[str, bool, str]]:
    service = sold("Service", service_type=service_type)
    return [(one.text, one.is_question, one.split) for one in remarks_about(service=service, link="", params=params)]


def test_comments_when_line_ends_are_written_out_then_asked():
    [(text, is_question, split)] = about("custom_comments", comments=r"nice\nwow\n great")
    assert (text, is_question, split) == (r"“\n” begins no new line. Is this one comment, or 3?", True, "comments")
    [(text, *_rest)] = about("custom_comments", comments="nice\\nwow\ngreat")
    assert text == r"“\n” begins no new line. Are these 2 comments, or 3?"


def test_comments_when_a_line_holds_a_bar_then_only_said():
    assert about("custom_comments", comments="nice\n\ngreat | really") == [
        ("Line 2 holds “ | ”: some providers begin another comment there.", False, "")
    ]
    assert about("custom_comments", comments="nice|great\nwow, really") == []


@pytest.mark.parametrize(("typed", "count"), [("anna,ben,carl", 3), ("anna, ben\ncarl", 3), ("a,b,", 2)])
def test_usernames_when_commas_separate_them_then_asked(typed, count):
    [(text, is_question, split)] = about("mentions_custom_list", usernames=typed)
    assert (text, is_question) == (f"Is this {count} usernames? Write one on each line.", True)
    assert len(split_lines(name=split, text=typed).splitlines()) == count


def test_usernames_when_one_on_each_line_then_not_asked():
    assert about("mentions_custom_list", usernames="anna\nben,\n\ncarl") == []
    assert [text for text, *_ in about("mentions_with_hashtags", usernames="a", hashtags="#a,#b")] == [
        "Is this 2 hashtags? Write one on each line."
    ]


def test_split_when_line_ends_are_written_out_then_lines():
    assert split_lines(name="comments", text="a\\r\\nb\\nc | d, e\n\nf") == "a\nb\nc | d, e\nf"


def test_yes_when_the_link_or_the_question_changes_then_asked_again():
    remarks = remarks_about(service=sold("Instagram Likes"), link=PROFILE, params={})
    keys = {key_of_questions(remarks=remarks, about=link) for link in (PROFILE, PROFILE + "x")}
    assert (len(keys), key_of_questions(remarks=[], about=PROFILE)) == (2, "")
    assert sold("Instagram Likes").target.what is What.POST
