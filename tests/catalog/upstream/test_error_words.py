"""What error texts mean, in ten languages."""

from __future__ import annotations

import random

import pytest

from catalog.upstream.error_meanings import classify_error, is_doubtful, says_nothing, speaks_of_refusal
from catalog.upstream.error_shapes import CERTAIN_BESIDE, SHAPES, Doubt
from catalog.upstream.error_words import WORDS
from catalog.upstream.errors import ErrorCode
from catalog.upstream.word_shapes import Phrases, Shape, Text, fold
from tests.catalog.upstream.error_texts import TEXTS, UNKNOWN, lines

KNOWN = [(text, code) for code, texts in TEXTS.items() for text in lines(texts)]
UNCERTAIN = lines(UNKNOWN)
# Words in ten languages that take the certainty from any refusal.
NEVER = lines("""
    timeout
    timed out
    processing
    pending
    queued
    internal error
    server error
    exception
    unknown error
    maintenance
    success
    таймаут
    внутренняя
    zaman aşımı
    waktu habis
    hết thời gian
    tempo esgotado
    tiempo agotado
    المهلة
    مهلت
    समय समाप्त
""")
WAIT = lines("""
    try again
    please wait
    later
    попробуйте позже
    tekrar deneyin
    coba lagi
    vui lòng thử lại
    tente novamente
    intente de nuevo
    حاول
    دوباره
    पुनः
""")


def test_texts_when_counted_then_there_are_enough_of_each() -> None:
    assert len({text for text, _ in KNOWN}) >= 250
    assert len(set(UNCERTAIN)) >= 80
    assert set(TEXTS) == set(ErrorCode) - {ErrorCode.UNRECOGNIZED, ErrorCode.REFUSED, ErrorCode.TRY_LATER}


@pytest.mark.parametrize(("text", "code"), KNOWN)
def test_text_when_its_words_are_known_then_their_meaning(text: str, code: ErrorCode) -> None:
    assert classify_error(text) is code
    assert not is_doubtful(text)
    assert speaks_of_refusal(text) or code is ErrorCode.PROTOCOL


@pytest.mark.parametrize("text", UNCERTAIN)
def test_text_when_ambiguous_or_doubtful_then_unknown(text: str) -> None:
    assert classify_error(text) is ErrorCode.UNRECOGNIZED


def typed_otherwise(text: str) -> list[str]:
    return [
        text.upper(),
        text.casefold(),
        f"  {text} \t",
        f"{text}...",
        f"Code 17: {text}",
        f"\u200b{text}\u200e",
        text.replace(" ", "\u00a0"),
        text.replace(" ", " \u200d"),
        text.replace(" ", "_") if "/" not in text and ". " not in text else text,
        f"<p>{text}</p>",
        text.replace("'", "&#39;"),
    ]


@pytest.mark.parametrize("code", TEXTS)
def test_text_when_typed_otherwise_then_the_same_meaning(code: ErrorCode) -> None:
    for other in [other for text in lines(TEXTS[code]) for other in typed_otherwise(text)]:
        assert classify_error(other) is code, other


@pytest.mark.parametrize("code", TEXTS)
def test_text_when_words_of_doubt_are_added_then_unknown(code: ErrorCode) -> None:
    rng = random.Random(f"doubt-{code}")
    # A "pending order" for the link is a word for an active one.
    never = [word for word in NEVER if (word, code) != ("pending", ErrorCode.LINK_BUSY)]
    for text in lines(TEXTS[code]):
        words = text.split(" ")
        for word in rng.sample(never, 2) + ([] if code in CERTAIN_BESIDE[Doubt.WAIT] else rng.sample(WAIT, 1)):
            place = rng.randrange(len(words) + 1)
            for other in (f"{text}, {word}", " ".join([*words[:place], word, *words[place:]])):
                assert classify_error(other) is ErrorCode.UNRECOGNIZED, other


def test_text_when_two_meanings_are_joined_then_unknown() -> None:
    rng = random.Random("joined")
    for _ in range(500):
        (one, code), (other, another) = rng.sample(KNOWN, 2)
        joined = classify_error(f"{one}. {other}.")
        assert joined is (code if code is another else ErrorCode.UNRECOGNIZED) or joined is ErrorCode.UNRECOGNIZED


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00",
        "…",
        "." * 9_000,
        "a" * 9_000,
        "error " * 9_000,
        "not " * 9_000,
        "\u0301" * 9_000,
        "&amp;" * 9_000,
    ]
    + ["<" * 9_000, "#" * 9_000, "\ud800", "👍🏽" * 999, "invalid " * 9_000, "ال ال", "لل"],
)
def test_text_when_hostile_then_unknown(text: str) -> None:
    assert classify_error(text) is ErrorCode.UNRECOGNIZED


@pytest.mark.parametrize(
    "text",
    [
        "Invalid link " + "x " * 118 + "order created",
        "Invalid link " + "…" * 600 + "a",
        "Invalid link" + "<p></p>" * 300,
    ]
    + ["Invalid link " + "." * 119 + " order created"],
    ids=["words", "characters", "tags", "ends"],
)
def test_text_when_it_is_cut_off_then_unknown(text: str) -> None:
    assert classify_error(text) is ErrorCode.UNRECOGNIZED
    assert is_doubtful(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Contact us", True),
        ("Please contact the support!", True),
        ("17", True),
        ("need 5, have 3", True),
        ("We ordered it", False),
        ("Bad link", False),
    ],
)
def test_text_when_its_words_are_harmless_then_it_says_nothing(text: str, says: bool) -> None:
    assert says_nothing(text) is says


# -- the table -----------------------------------------------------------------------------------------


def test_shapes_when_compiled_then_each_list_is_used() -> None:
    lists = {name: Phrases(words.split(",")) for name, words in WORDS.items()}
    used = " ".join(shape for shapes in SHAPES.values() for shape in shapes)
    for shapes in SHAPES.values():
        assert len(set(shapes)) == len(shapes)
        for shape in shapes:
            Shape(shape, lists)
    assert [name for name in WORDS if f"{{{name}}}" not in used] == []


def test_lists_when_read_then_phrases_are_short_and_single() -> None:
    for name, words in WORDS.items():
        phrases = [" ".join(phrase.split()) for phrase in words.split(",")]
        assert all(1 <= len(phrase.split()) <= 5 for phrase in phrases), name
        assert name == "always" or len(set(phrases)) == len(phrases), name


@pytest.mark.parametrize(
    ("shape", "text", "is_found"),
    [
        ("a b", "a b", True),
        ("a b", "a x b", False),
        ("a ? b", "a x b", True),
        ("a ? b", "a x y b", False),
        ("a ... b", "a w x y z b", True),
        ("a ... b", "a v w x y z b", False),
        ("a ... b", "b a", False),
        ("a ~ b", "b x a", True),
        ("a ... b", "a. B", False),
        ("a ... b", "a.b", True),
        ("a|b c", "b c", True),
        ("in* c", "invalid c", True),
        ("{bad} c", "not at all c", False),
        ("{bad} c", "not good c", True),
        ("a $", "a b", False),
        ("a $", "b a!", True),
        ("a ;", "a b", False),
        ("a ;", "a, b", True),
        ("a ;", "b a but c", True),
        ("a ;", "a <b>c", True),
        ("# ;", "1,000 b", False),
        ("от # до #", "От 10 до 1 000", True),
    ],
)
def test_shape_when_looked_for_then_found_as_written(shape: str, text: str, is_found: bool) -> None:
    assert bool(Shape(shape, {"bad": Phrases(["wrong", "not good"])}).find(Text(text))) is is_found


@pytest.mark.parametrize("shape", ["a ~ b ~ c", "{nothing}", "..."])
def test_shape_when_badly_written_then_it_is_refused(shape: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Shape(shape, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GEÇERSİZ SERVİS", "gecersiz servis"),
        ("geçersız servıs", "gecersiz servis"),
        ("Số dư", "so du"),
        ("Đơn hàng", "don hang"),
        ("سرويس كليك", "سرويس كليك"),
        ("سرویس کلیک", "سرويس كليك"),
        ("الخدمة", "خدمه"),
        ("نمی‌باشد", "نمي باشد"),
        ("don't DON’T", "dont dont"),
        ("12,345.6 ١٢٣", "# # # #"),
        ("One: two (three) - four-five", "one , two , three , , four five"),
        ('<b>A</b> <a href="/x">b</a> <c d>', ", a , , b , , c d ,"),
        ("neworder.error.link_duplicate", "neworder error link duplicate"),
        ("Over. New", "over . new"),
        ("ज़रूरी", "जरूरी"),
    ],
)
def test_words_when_folded_then_spellings_agree(text: str, words: str) -> None:
    assert " ".join(fold(text)) == words
