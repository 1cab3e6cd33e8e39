"""What the demo's shop sells: services of the sandbox, how often they are ordered, how many, and how long they take."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from panel.sandbox.amounts import to_micros
from panel.sandbox.catalog import SandboxService, build_services

HOUR, DAY = 3_600, 86_400
_CODE = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

SERVICES: dict[str, SandboxService] = {one.name: one for one in build_services(60).values()}


@dataclass(frozen=True, slots=True)
class Good:
    """A service by its name. `minutes` is how long an order usually takes, `place` what its link leads to.

    `new_for` is for how many seconds it has been in the shop; None: for the whole month.
    """

    name: str
    share: int
    quantities: tuple[int, ...]
    minutes: int
    place: str
    new_for: int | None = None

    @property
    def service(self) -> SandboxService:
        return SERVICES[self.name]


@dataclass(frozen=True, slots=True)
class RateChange:
    """A rate that changed `age` seconds ago. `rate` is the one before it, in micro-units; `is_seen`: staff saw it."""

    name: str
    age: int
    rate: int
    is_seen: bool = True


SMALL, USUAL, LARGE = (100, 200, 250, 500), (500, 1_000, 1_000, 2_000), (5_000, 10_000, 20_000, 50_000)
ONE = (1,)

DOUBTED = "TikTok likes"
# One order of a link at a time.
TAKES_TURNS = "Spotify playlist followers"

GOODS = (
    Good("Instagram followers, standard", 14, USUAL, 190, "instagram"),
    Good("Instagram followers, high quality", 9, SMALL + USUAL, 420, "instagram"),
    Good("Instagram followers, economy", 5, USUAL, 75, "instagram"),
    Good("Instagram likes, standard", 13, USUAL, 18, "instagram post"),
    Good("Instagram likes, high quality", 5, USUAL, 35, "instagram post"),
    Good("Instagram reel views", 9, LARGE, 25, "instagram reel"),
    Good("Instagram custom comments", 3, (5, 8, 10), 95, "instagram post"),
    Good("TikTok followers, standard", 6, USUAL, 240, "tiktok"),
    Good(DOUBTED, 8, USUAL, 22, "tiktok video"),
    Good("TikTok video views", 8, LARGE, 15, "tiktok video"),
    Good("TikTok shares", 2, USUAL, 55, "tiktok video", 12 * DAY),
    Good("YouTube views, standard", 7, USUAL + (5_000,), 640, "youtube video"),
    Good("YouTube likes", 4, SMALL + USUAL, 70, "youtube video"),
    Good("YouTube subscribers, slow", 2, (50, 100), 1_380, "youtube"),
    Good("Telegram members, standard", 6, USUAL, 130, "telegram"),
    Good("Telegram post views", 5, LARGE, 12, "telegram post"),
    Good("Telegram positive reactions", 2, USUAL, 20, "telegram post", 12 * DAY),
    Good("X followers", 3, USUAL, 300, "x"),
    Good("X reposts", 2, SMALL, 45, "x post", 21 * DAY),
    Good("Facebook page followers", 4, USUAL, 520, "facebook"),
    Good("Facebook page likes package", 2, ONE, 860, "facebook"),
    Good("Spotify track plays", 4, (1_000, 5_000), 980, "spotify track"),
    Good(TAKES_TURNS, 3, SMALL, 350, "spotify list"),
)
BY_NAME = {one.name: one for one in GOODS}

# The latest ones come with the import of today, which nobody has looked at yet.
TODAY = 26 * 60
RATE_CHANGES = (
    RateChange("Instagram reel views", 17 * DAY, to_micros("0.010")),
    RateChange("Spotify track plays", 9 * DAY, to_micros("0.50")),
    RateChange("Instagram likes, standard", TODAY, to_micros("0.24"), is_seen=False),
    RateChange(DOUBTED, TODAY, to_micros("0.34"), is_seen=False),
    RateChange("YouTube views, standard", TODAY, to_micros("1.35"), is_seen=False),
)
# What the sandbox's list says from today on, by the service's name.
TODAYS_LIST: dict[str, dict[str, object]] = {
    "Instagram likes, standard": {"rate": "0.33"},
    DOUBTED: {"rate": "0.4"},
    "YouTube views, standard": {"rate": "1.29"},
    "TikTok followers, standard": {"max": 60_000},
}

_COMMENTS = (
    "Love this!",
    "Where can I get it?",
    "So good",
    "Saved for later",
    "This made my day",
    "More of this please",
    "Looks amazing",
    "Great idea",
    "Wow, how did you do that?",
    "Count me in",
)


def link_to(place: str, *, handle: str, draw: Random) -> str:
    """Return an address of this kind that belongs to the account `handle`; posts have a random code."""
    code = "".join(draw.choices(_CODE, k=11))
    number = str(draw.randrange(10**17, 10**18))
    return {
        "instagram": f"https://www.instagram.com/{handle}/",
        "instagram post": f"https://www.instagram.com/p/{code}/",
        "instagram reel": f"https://www.instagram.com/reel/{code}/",
        "tiktok": f"https://www.tiktok.com/@{handle}",
        "tiktok video": f"https://www.tiktok.com/@{handle}/video/7{number}",
        "youtube": f"https://www.youtube.com/@{handle}",
        "youtube video": f"https://www.youtube.com/watch?v={code}",
        "telegram": f"https://t.me/{handle}",
        "telegram post": f"https://t.me/{handle}/{draw.randrange(20, 900)}",
        "x": f"https://x.com/{handle}",
        "x post": f"https://x.com/{handle}/status/1{number}",
        "facebook": f"https://www.facebook.com/{handle}",
        "spotify track": f"https://open.spotify.com/track/{code}{code[::-1]}",
        "spotify list": f"https://open.spotify.com/playlist/{code[::-1]}{code}",
    }[place]


def params_of(good: Good, *, quantity: int, draw: Random) -> dict[str, str]:
    """Return what the service asks for beyond link and quantity."""
    if good.service.type != "Custom Comments":
        return {}
    return {"comments": "\n".join(draw.sample(_COMMENTS, k=quantity))}
