"""Services are found by what people type, however they write it."""

from __future__ import annotations

import pytest

from catalog.models import Category, Service, UpstreamService
from catalog.search import find_service_ids, index
from catalog.search.find import search
from catalog.search.index import Row, build_index, current_index
from catalog.search.synonyms import synonyms_with
from panel.site import stored
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.once

NAMES = (
    "Instagram Followers | HQ",
    "Instagram Likes, no-drop",
    "Takipçi, Türk (İnstagram)",
    "YouTube Views [Refill 30d]",
    "YouTube Subscribers",
    "Twitter Retweets",
    "X Followers",
    "TikTok Likes 3K a day",
    "Telegram Members",
    "Facebook Página: Curtidas",
    "𝗧𝗶𝗸𝗧𝗼𝗸 Views",
    "Xbox gift",
)
SHOP = build_index(Row(number, name, 1, "Other networks", "default", "") for number, name in enumerate(NAMES, start=1))
PLAIN = synonyms_with(())


def found(query, *, same=PLAIN):
    return [NAMES[pk - 1] for pk in search(SHOP, query, same=same).ids]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("instagram likes", ["Instagram Likes, no-drop"]),
        ("LIKES   Instagram", ["Instagram Likes, no-drop"]),
        ("no drop", ["Instagram Likes, no-drop"]),
        ("no-drop", ["Instagram Likes, no-drop"]),
        ("(instagram) likes!", ["Instagram Likes, no-drop"]),
        ("turk", ["Takipçi, Türk (İnstagram)"]),
        ("pagina", ["Facebook Página: Curtidas"]),
        ("tiktok views", ["𝗧𝗶𝗸𝗧𝗼𝗸 Views"]),
        ("insta hq", ["Instagram Followers | HQ"]),
        ("youtube 30d", ["YouTube Views [Refill 30d]"]),
        ("instagram spotify", []),
    ],
)
def test_search_when_words_are_written_differently_then_found(query, names):
    assert found(query) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("yt", ["YouTube Views [Refill 30d]", "YouTube Subscribers"]),
        ("ig likes", ["Instagram Likes, no-drop"]),
        ("fb", ["Facebook Página: Curtidas"]),
        ("tg", ["Telegram Members"]),
        ("tt views", ["𝗧𝗶𝗸𝗧𝗼𝗸 Views"]),
        ("tik tok likes", ["TikTok Likes 3K a day"]),
        ("twitter followers", ["X Followers"]),
        ("takipçi instagram", ["Takipçi, Türk (İnstagram)", "Instagram Followers | HQ"]),
        ("seguidores yt", ["YouTube Subscribers"]),
        ("подписчики инстаграм", ["Instagram Followers | HQ", "Takipçi, Türk (İnstagram)"]),
        ("beğeni tiktok", ["TikTok Likes 3K a day"]),
        ("begen tiktok", ["TikTok Likes 3K a day"]),
        ("likes facebook", ["Facebook Página: Curtidas"]),
    ],
)
def test_search_when_a_word_has_the_same_meaning_then_found(query, names):
    assert found(query) == names


def test_search_when_a_platform_has_one_letter_then_no_other_word_that_begins_so():
    assert found("twitter") == ["Twitter Retweets", "X Followers"]
    assert "Xbox gift" in found("x")


@pytest.mark.parametrize(
    "query",
    ["instgram likes", "nstagram likes", "istagram likes", "insatgram likes", "instagram lkies", "xinstagram likes"],
)
def test_search_when_a_word_is_mistyped_then_found(query):
    assert found(query) == ["Instagram Likes, no-drop"]


@pytest.mark.parametrize("query", ["hw", "30f", "lxx instagram", "insxxgram", "1234"])
def test_search_when_words_are_short_or_have_two_mistakes_then_not_found(query):
    assert found(query) == []


def test_search_when_ranked_then_typed_words_before_others_and_mistakes_last():
    names = ("Followrs, odd", "Subscribers", "Followers two", "Followers one")
    shop = build_index(Row(pk, name, 1, "All", "default", "") for pk, name in enumerate(names, start=1))
    assert list(search(shop, "followers", same=PLAIN).ids) == [3, 4, 2]


def test_search_when_a_word_is_in_the_category_alone_then_after_names():
    rows = [Row(1, "Likes", 1, "Instagram", "default", ""), Row(2, "Instagram likes", 2, "Social", "default", "")]
    assert list(search(build_index(rows), "instagram likes", same=PLAIN).ids) == [2, 1]


def test_search_when_a_number_then_that_service_first_then_names_with_it():
    assert list(search(SHOP, "3", same=PLAIN).ids) == [3, 4, 8]
    assert list(search(SHOP, "#3", same=PLAIN).ids) == [3, 4, 8]
    assert list(search(SHOP, "٣", same=PLAIN).ids) == [3, 4, 8]
    last = build_index(
        Row(pk, name, 1, "All", "default", "") for pk, name in ((7, "3 days"), (8, "Max 3"), (3, "Likes"))
    )
    assert list(search(last, "3", same=PLAIN).ids) == [3, 7, 8]
    assert list(search(SHOP, "5 · YouTube Subscribers", same=PLAIN).ids) == [5]


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("insatgramm folllowerss", "instagram followers"),
        ("telegram qqqq", "telegram"),
        ("qqqq telegarm", "telegram"),
        ("qqqq folowers", "followers"),
        ("telegram retweets", "telegram"),
        ("qqqq wwww", ""),
    ],
)
def test_search_when_nothing_matches_then_a_query_that_does(query, meant):
    result = search(SHOP, query, same=PLAIN)
    assert (list(result.ids), result.did_you_mean) == ([], meant)
    assert not meant or found(meant)


@pytest.mark.parametrize("query", ["", "   ", "·", "!!!", "\x00", "\u202e"])
def test_search_when_there_are_no_words_then_all_services(query):
    assert len(found(query)) == len(NAMES)


@pytest.mark.parametrize("query", ["%", "' OR 1=1", "9" * 500, "a " * 4_000, "ß" * 300, "\ud800", "١" * 90])
def test_search_when_the_text_is_odd_then_answered(query):
    search(SHOP, query, same=PLAIN)


def test_synonyms_when_the_owner_adds_a_line_then_it_joins_the_meaning():
    same = synonyms_with((("gram", "instagram"), ("goldlove", "likes")))
    assert found("gram goldlove", same=same) == ["Instagram Likes, no-drop"]
    assert found("gram goldlove") == []


# -- the index of this process -----------------------------------------------------------------------


@pytest.mark.django_db
def test_index_when_the_catalog_changes_then_never_stale(provider):
    likes = make.service(provider, name="Blue likes")
    assert list(find_service_ids("blue").ids) == [likes.pk]
    views = make.service(provider, external_id="2", name="Blue views")
    assert list(find_service_ids("blue").ids) == [likes.pk, views.pk]
    Category.objects.update(name="Green things")
    assert list(find_service_ids("green").ids) == [likes.pk, views.pk]
    Service.objects.filter(pk=likes.pk).update(is_on_sale=False)
    UpstreamService.objects.filter(pk=views.upstream_id).update(is_listed=False)
    assert list(find_service_ids("blue").ids) == []


@pytest.mark.django_db
def test_index_when_the_catalog_stays_the_same_then_one_query_and_one_index(provider):
    make.service(provider, name="Blue likes")
    built = current_index()
    with statements() as made:
        assert current_index() is built
        find_service_ids("blue")
    assert len(made) == 2  # The version, each time.


@pytest.mark.django_db
def test_index_when_the_version_is_unknown_then_built_anew_and_not_kept(provider, monkeypatch):
    make.service(provider, name="Blue likes")
    monkeypatch.setattr(index, "catalog_version", lambda: None)
    kept = index._built
    assert current_index() is not current_index()
    assert index._built is kept


@pytest.mark.django_db
def test_search_when_the_setting_has_words_then_they_count(provider, monkeypatch):
    likes = make.service(provider, name="Blue likes")
    assert list(find_service_ids("azul").ids) == []
    texts = {"SEARCH_WORDS": "azul = blue\nrojo, red"}
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))
    assert list(find_service_ids("azul").ids) == [likes.pk]
