"""Words that differ by a typing mistake."""

from __future__ import annotations

import pytest

from catalog.search.near import distance, is_near, nearest, words_near

pytestmark = pytest.mark.once

WORDS = sorted(("followers", "followup", "instagram", "likes", "like", "telegram", "views", "x"))


@pytest.mark.parametrize(
    ("typed", "word", "near"),
    [
        *(("likes", "likes", True), ("liks", "likes", True), ("likess", "likes", True), ("lukes", "likes", True)),
        *(("likse", "likes", True), ("ilkes", "likes", True), ("ikes", "likes", True), ("kikes", "likes", True)),
        *(("lieks", "likes", True), ("lkise", "likes", False), ("lies", "likess", False), ("abc", "xyz", False)),
    ],
)
def test_words_when_one_letter_differs_then_near(typed, word, near):
    assert is_near(typed, word) is near is is_near(word, typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        *(("instgram", ["instagram"]), ("nstagram", ["instagram"]), ("istagram", ["instagram"])),
        *(("unstagram", ["instagram"]), ("nistagram", ["instagram"]), ("xinstagram", ["instagram"])),
        *(("instagrm", ["instagram"]), ("instagrma", ["instagram"]), ("instagramx", ["instagram"])),
        *(("folo", ["followers", "followup"]), ("instgr", ["instagram"]), ("lks", []), ("1234", []), ("qqqqq", [])),
    ],
)
def test_vocabulary_when_a_word_is_mistyped_then_the_words_meant(typed, words):
    assert words_near(typed, WORDS) == words


def test_distance_when_letters_change_places_then_one():
    assert (distance("insatgramm", "instagram"), distance("likes", ""), distance("", "x")) == (2, 5, 1)


@pytest.mark.parametrize(
    ("typed", "word"), [("insatgramm", "instagram"), ("telegrrramm", ""), ("lkse", ""), ("vewss", "views")]
)
def test_nearest_when_two_mistakes_then_found_and_three_not(typed, word):
    assert nearest(typed, WORDS) == word
