"""Times for refills in names of services as providers write them, and what only looks like one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.refill_windows import LIFETIME, NEVER, is_over, read_window, window_text

# With the provider's flag for refills.
NAMES = [
    ("Instagram Followers [R30]", 30),
    ("Instagram Followers | R30", 30),
    ("IG Followers R30 ♻️", 30),
    ("Followers - R 30 Days", 30),
    ("Followers R-60", 60),
    ("Followers R90D", 90),
    ("Followers AR30 | 10K/day", 30),
    ("Followers R365", 365),
    ("Followers [R∞]", LIFETIME),
    ("1M R30", 30),
    ("Likes 1K-5K/D R30", 30),
    ("♻️ 30 days", 30),
    ("♻️30 Days | Fast", 30),
    ("Followers ♻️ 365 Days", 365),
    ("Followers ♻ Lifetime", LIFETIME),
    ("Followers 30 Days ♻️", 30),
    ("Followers | 30 Days Refill", 30),
    ("Followers 30 day refill", 30),
    ("Followers 30-Day Refill", 30),
    ("Followers 30D Refill", 30),
    ("Followers 30 Days Auto Refill", 30),
    ("Followers 60 Days Free Refill", 60),
    ("Followers Refill 365", 365),
    ("Followers Refill 30", 30),
    ("Followers Refill: 30D", 30),
    ("Followers Refill 30 Days", 30),
    ("Followers (Refill - 60 Days)", 60),
    ("Followers [Refill: 99 Days]", 99),
    ("Followers [ Refill Button 30 Days ]", 30),
    ("Followers Refill up to 90 days", 90),
    ("Followers Refill ✅ 30 days", 30),
    ("Cancel ❌ Refill ✅ 30 Days", 30),
    ("Followers 1 Month Refill", 30),
    ("Followers 6 Months Refill", 180),
    ("Followers 1 Year Refill", 365),
    ("Followers Refill 2 weeks", 14),
    ("Followers Lifetime Refill", LIFETIME),
    ("Followers Life Time Refill", LIFETIME),
    ("Followers Refill Lifetime", LIFETIME),
    ("Followers Lifetime Guarantee", LIFETIME),
    ("Followers ~ Lifetime", LIFETIME),
    ("Followers Unlimited Refill", LIFETIME),
    ("Followers 99 years refill", LIFETIME),
    ("30 days guarantee", 30),
    ("Followers 30 Days Guaranteed", 30),
    ("Followers Guarantee 60 days", 60),
    ("Followers [No Drop] [R30]", 30),
    ("Followers Non Drop | 365 Days Refill", 365),
    ("𝗙𝗼𝗹𝗹𝗼𝘄𝗲𝗿𝘀 𝗥𝗲𝗳𝗶𝗹𝗹 𝟯𝟬 𝗗𝗮𝘆𝘀", 30),
    ("Подписчики | Гарантия 30 дней", 30),
    ("Подписчики, докрутка 60 дней", 60),
    ("Takipçi 30 Gün Telafi", 30),
    ("Takipçi 365 gün garantili", 365),
    ("Followers 30 Hari Refill", 30),
    ("Seguidores Reposição 30 dias", 30),
    ("Seguidores 30 días de garantía", 30),
    ("متابعين ضمان 30 يوم", 30),
    # Never.
    ("Followers No Refill", NEVER),
    ("Followers [NO REFILL]", NEVER),
    ("Followers Non-Refill", NEVER),
    ("Followers NoRefill", NEVER),
    ("Followers without refill", NEVER),
    ("Followers Refill ❌", NEVER),
    ("Followers | ❌ Refill", NEVER),
    ("🚫 Refill", NEVER),
    ("Followers ♻️❌", NEVER),
    ("Followers Refill: No", NEVER),
    ("Refill No | Drop 5%", NEVER),
    ("Followers tanpa refill", NEVER),
    ("Seguidores sem reposição", NEVER),
    ("Подписчики без докрутки", NEVER),
    ("Followers 30 days no refill", NEVER),
    # Says nothing, or two things.
    ("R30 not refill", None),
    ("R30 | 60 Days Refill", None),
    ("No refill for 30 days, then refill 60 days", None),
    ("Followers Refill", None),
    ("Followers ♻️", None),
    ("Followers No Drop 30 Days", None),
    ("Views | 30 Days", None),
    ("Auto Likes 30 Days", None),
    ("Refill | 30 days delivery", None),
    ("Refill 10-30 days", None),
    ("Refill 24 hours", None),
    ("Refill 30 min start", None),
    ("Refill 100%", None),
    ("Refill 10K/day", None),
    ("Refill 2024 server", None),
    ("CR7 fans", None),
    ("CR30 server", None),
    ("Mix 4R30", None),
    ("R10 skills videos", None),
    ("VIP server R2", None),
    ("Price R 30", None),
    ("No guarantee", None),
    ("Cancel ❌ Refill ✅", None),
    ("Refill No Drop", None),
    ("", None),
    ("♻️" * 200 + "9" * 200, None),
]


@pytest.mark.parametrize(("name", "days"), NAMES)
def test_window_when_named_as_providers_do_then_days(name, days):
    assert read_window(name, takes_refills=True) == days


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("30 days guarantee", None),
        ("Lifetime guarantee", None),
        ("Followers ~ Lifetime", None),
        ("Followers R30", 30),
        ("Followers 30 Days Refill", 30),
        ("Followers No Refill", NEVER),
    ],
)
def test_window_when_no_flag_then_guarantees_say_nothing(name, days):
    assert read_window(name, takes_refills=False) == days


@pytest.mark.parametrize(
    ("days", "text"),
    [(None, "not limited here"), (0, "no refill"), (1, "1 day"), (365, "365 days"), (LIFETIME, "lifetime")],
)
def test_window_text_when_shown_then_in_words(days, text):
    assert window_text(days) == text


def test_is_over_when_the_last_second_passed_then_over():
    end = datetime(2026, 1, 1, tzinfo=UTC)
    assert not is_over(days=30, ended_at=end, now=end + timedelta(days=30))
    assert is_over(days=30, ended_at=end, now=end + timedelta(days=30, seconds=1))
    assert is_over(days=0, ended_at=end, now=end + timedelta(seconds=1))
    assert not is_over(days=None, ended_at=end, now=end + timedelta(days=9_999))
    assert not is_over(days=30, ended_at=None, now=end)
    assert not is_over(days=LIFETIME, ended_at=end, now=end + timedelta(days=30_000))
