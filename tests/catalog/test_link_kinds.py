"""What a service takes as its link and what it is for, guessed from its names."""

from __future__ import annotations

import pytest

from catalog.link_kinds import Expected, LinkKind, expected_link, guess_kind, guess_target
from panel.lib.links.places import What


@pytest.mark.parametrize(
    ("category", "name", "kind"),
    [
        ("Instagram", "Followers [R30]", LinkKind.ADDRESS),
        ("Instagram", "Story views | username", LinkKind.USERNAME),
        ("Инстаграм", "Просмотры историй (имя пользователя)", LinkKind.USERNAME),
        ("Instagram", "Takipçi (kullanıcı adı)", LinkKind.USERNAME),
        ("Games", "PUBG UC 60 [player ID]", LinkKind.NUMBER),
        ("WhatsApp", "Messages to a phone number", LinkKind.PHONE),
        ("WhatsApp", "Сообщения на номер телефона", LinkKind.PHONE),
        ("Google", "Search clicks by keyword", LinkKind.KEYWORD),
        ("Google", "Cliques por palavra-chave", LinkKind.KEYWORD),
        ("Spotify", "Plays, Spotify URI", LinkKind.APP),
        ("Other", "Design work: free text", LinkKind.TEXT),
        ("Web traffic", "Visitors from iPhones", LinkKind.ADDRESS),
    ],
)
def test_kind_when_the_names_tell_then_guessed(category, name, kind):
    assert guess_kind(service_type="default", category=category, name=name) is kind


def test_kind_when_the_type_asks_for_more_then_an_address():
    assert guess_kind(service_type="mentions", category="", name="Mentions from usernames") is LinkKind.ADDRESS


def test_kind_when_the_owner_set_one_then_it_is_exact():
    names = {"service_type": "default", "category": "", "name": "Followers by username"}
    assert expected_link(own="phone", **names) == Expected(LinkKind.PHONE, is_guess=False)
    assert expected_link(own="", **names) == Expected(LinkKind.USERNAME, is_guess=True)
    assert expected_link(own="of a later release", **names).is_guess


@pytest.mark.parametrize(
    ("category", "name", "platforms", "what"),
    [
        ("Instagram", "Followers [Real] R30", "instagram", What.PROFILE),
        ("Instagram", "Likes HQ", "instagram", What.POST),
        ("Instagram, Threads", "Instagram likes", "instagram", What.POST),
        ("YouTube", "Subscribers", "youtube", What.PROFILE),
        ("Telegram", "Участники канала", "telegram", What.OTHER),
        ("Telegram", "Post views", "telegram", What.POST),
        ("Telegram", "Views [last 5 posts]", "telegram", What.OTHER),
        ("Instagram", "Auto likes", "instagram", What.OTHER),
        ("Instagram", "Story views", "instagram", What.OTHER),
        ("Instagram", "Live viewers", "instagram", What.OTHER),
        ("Facebook", "Page likes + followers", "facebook", What.OTHER),
        ("Spotify", "Monthly listeners", "spotify", What.OTHER),
        ("TikTok", "Takipçi", "tiktok", What.PROFILE),
        ("TikTok", "Beğeni", "tiktok", What.POST),
        ("Instagram", "متابعين حقيقيين", "instagram", What.PROFILE),
        ("Website", "Visitors", "", What.OTHER),
    ],
)
def test_target_when_the_names_tell_then_guessed(category, name, platforms, what):
    found = guess_target(service_type="default", category=category, name=name)
    assert (found.platforms, found.what) == (frozenset(platforms.split()), what)
