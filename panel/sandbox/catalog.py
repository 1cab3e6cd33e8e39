"""The services that the sandbox sells: sixty written by hand, and as many generated ones as requested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from panel.sandbox.amounts import to_micros, to_text

PACKAGE_TYPES = frozenset({"Package", "Custom Comments Package"})


@dataclass(frozen=True, slots=True)
class SandboxService:
    """One service. `rate` is micro-units for 1000, or for one package of a package type.

    `row` overrides fields of the served row with any value, to imitate a broken list.
    """

    id: int
    name: str
    type: str
    category: str
    rate: int
    min: int
    max: int
    refill: bool = False
    cancel: bool = False
    dripfeed: bool = False
    desc: str = ""
    listed: bool = True
    row: dict[str, object] | None = None

    def as_row(self) -> dict[str, object]:
        """Return the row of the `services` action: numbers are strings, flags are booleans."""
        return {
            "service": self.id,
            "name": self.name,
            "type": self.type,
            "category": self.category,
            "rate": to_text(self.rate),
            "min": str(self.min),
            "max": str(self.max),
            "refill": self.refill,
            "cancel": self.cancel,
            "dripfeed": self.dripfeed,
            "desc": self.desc,
            **(self.row or {}),
        }


# category → (name, type, rate, min, max, flags, description); flags: r refill, c cancel, d drip-feed
_Row = tuple[str, str, str, int, int, str, str]
_WRITTEN: dict[str, list[_Row]] = {
    "Instagram · Followers": [
        ("Followers, economy", "Default", "0.65", 50, 20_000, "c", "May drop; no refill."),
        ("Followers, standard", "Default", "1.2", 50, 50_000, "rcd", "Refill within 30 days."),
        ("Followers, high quality", "Default", "2.4", 20, 100_000, "rcd", "Profiles with posts."),
        ("Followers, real mix", "Default", "3.9", 100, 25_000, "rc", "Slow and steady delivery."),
        ("Followers, United States", "Default", "7.5", 50, 10_000, "r", "Mostly from the US."),
    ],
    "Instagram · Likes": [
        ("Likes, economy", "Default", "0.09", 10, 20_000, "", "Starts within minutes."),
        ("Likes, standard", "Default", "0.24", 10, 100_000, "rcd", "Refill within 30 days."),
        ("Likes, high quality", "Default", "0.62", 10, 50_000, "rcd", "Profiles with posts."),
        ("Comment likes", "Comment Likes", "1.1", 10, 5_000, "c", "Give the comment's author."),
    ],
    "Instagram · Views and reach": [
        ("Reel views", "Default", "0.012", 100, 5_000_000, "d", "Up to one million a day."),
        ("Story views", "Default", "0.075", 50, 30_000, "", "All stories of the account."),
        ("Profile visits and reach", "Default", "0.21", 100, 500_000, "d", "Shown in insights."),
        ("Post saves", "Default", "0.15", 10, 50_000, "c", "Starts within an hour."),
    ],
    "Instagram · Comments": [
        ("Custom comments", "Custom Comments", "9.5", 5, 1_000, "c", "One comment a line."),
        ("Random comments", "Default", "6.8", 5, 2_000, "c", "Short, friendly, in English."),
        ("Comment replies", "Comment Replies", "12", 5, 500, "", "One reply a line."),
        (
            "Custom comments package",
            "Custom Comments Package",
            "1.75",
            1,
            1,
            "",
            "The price is for one package of up to ten comments.",
        ),
    ],
    "Instagram · Mentions": [
        ("Mentions from a list", "Mentions", "4.2", 100, 10_000, "", "One username a line."),
        (
            "Mentions with hashtags",
            "Mentions with Hashtags",
            "4.8",
            100,
            10_000,
            "",
            "Usernames and hashtags, one a line.",
        ),
        ("Mentions by hashtag", "Mentions Hashtag", "4.5", 100, 10_000, "", "One hashtag."),
        (
            "Mentions, own list",
            "Mentions Custom List",
            "5.5",
            10,
            5_000,
            "",
            "As many mentions as usernames in the list.",
        ),
        (
            "Mentions of an account's followers",
            "Mentions User Followers",
            "4.9",
            100,
            20_000,
            "",
            "Give the account.",
        ),
        (
            "Mentions of media likers",
            "Mentions Media Likers",
            "5.1",
            100,
            20_000,
            "",
            "Give the link of the media.",
        ),
    ],
    "Instagram · Subscriptions": [
        ("Automatic likes", "Subscriptions", "0.45", 20, 10_000, "c", "Likes for new posts."),
    ],
    "Facebook · Pages": [
        ("Page followers", "Default", "1.85", 100, 50_000, "rcd", "Refill within 30 days."),
        ("Page likes and followers", "Default", "2.9", 100, 20_000, "rc", "Both counts grow."),
        ("Page likes package", "Package", "4.5", 1, 1, "r", "One package: 1000 page likes."),
    ],
    "Facebook · Posts": [
        ("Post likes", "Default", "0.78", 20, 20_000, "rcd", "Refill within 30 days."),
        ("Video views", "Default", "0.11", 500, 1_000_000, "d", "Views of three seconds."),
        ("Post comments, custom", "Custom Comments", "11", 5, 500, "", "One comment a line."),
    ],
    "YouTube · Views": [
        ("Views, standard", "Default", "1.35", 500, 1_000_000, "rcd", "Refill within 30 days."),
        ("Views, high retention", "Default", "2.6", 500, 500_000, "rc", "Two minutes and more."),
        ("Shorts views", "Default", "0.95", 100, 1_000_000, "rc", "For shorts only."),
        ("Live stream viewers, 30 minutes", "Default", "3.3", 50, 5_000, "", "Start it when live."),
    ],
    "YouTube · Subscribers": [
        ("Subscribers, slow", "Default", "9.8", 50, 10_000, "rc", "Up to 200 a day."),
        ("Subscribers, lasting", "Default", "18.5", 20, 5_000, "r", "Refill within 90 days."),
    ],
    "YouTube · Likes and comments": [
        ("Likes", "Default", "0.72", 20, 100_000, "rcd", "Refill within 30 days."),
        ("Custom comments", "Custom Comments", "8.4", 5, 1_000, "c", "One comment a line."),
        ("Comment likes", "Comment Likes", "1.9", 20, 10_000, "", "Give the comment's author."),
    ],
    "TikTok · Followers": [
        ("Followers, standard", "Default", "2.1", 50, 100_000, "rcd", "Refill within 30 days."),
        ("Followers, high quality", "Default", "3.6", 50, 50_000, "rc", "Profiles with videos."),
    ],
    "TikTok · Likes and views": [
        ("Likes", "Default", "0.34", 20, 100_000, "rcd", "Starts within minutes."),
        ("Video views", "Default", "0.006", 100, 10_000_000, "d", "Up to five million a day."),
        ("Shares", "Default", "0.14", 50, 100_000, "c", "Starts within an hour."),
    ],
    "X · Followers and posts": [
        ("Followers", "Default", "3.2", 50, 50_000, "rcd", "Refill within 30 days."),
        ("Reposts", "Default", "2.2", 20, 10_000, "c", "Starts within an hour."),
        ("Poll votes", "Poll", "0.9", 50, 50_000, "", "Give the number of the answer."),
    ],
    "Telegram · Channels": [
        ("Members, standard", "Default", "0.85", 100, 100_000, "rc", "Channels and groups."),
        ("Members, lasting", "Default", "1.95", 100, 50_000, "r", "Refill within 90 days."),
        ("Members package", "Package", "2.5", 1, 1, "", "One package: 1000 members."),
        ("Group invites", "Invites from Groups", "6.5", 100, 10_000, "", "Groups, one a line."),
    ],
    "Telegram · Posts": [
        ("Post views", "Default", "0.03", 50, 500_000, "d", "The last post."),
        ("Positive reactions", "Default", "0.12", 20, 50_000, "c", "A mix of reactions."),
        ("Poll votes", "Poll", "0.55", 50, 50_000, "", "Give the number of the answer."),
    ],
    "Spotify · Plays and followers": [
        ("Track plays", "Default", "0.42", 1_000, 5_000_000, "rcd", "Up to 5000 a day."),
        ("Playlist followers", "Default", "0.98", 100, 50_000, "rc", "Refill within 30 days."),
    ],
    "Websites · Traffic": [
        ("Visitors, worldwide", "Web Traffic", "0.38", 500, 1_000_000, "", "Choose the source."),
        ("Visitors, one country", "Web Traffic", "0.55", 500, 500_000, "", "Choose the country."),
    ],
    "Websites · Search": [
        ("Search clicks for keywords", "SEO", "2.75", 100, 20_000, "", "Keywords, one a line."),
        ("Search positions", "SEO", "5.25", 100, 5_000, "", "Keywords, one a line."),
        ("Listing package", "Package", "14", 1, 1, "", "One package: fifty directories."),
    ],
}

_PLACES = (
    "Argentina",
    "Australia",
    "Austria",
    "Belgium",
    "Brazil",
    "Canada",
    "Chile",
    "Colombia",
    "Denmark",
    "Egypt",
    "Finland",
    "France",
    "Germany",
    "Greece",
    "India",
    "Indonesia",
    "Ireland",
    "Italy",
    "Japan",
    "Kenya",
    "Malaysia",
    "Mexico",
    "Morocco",
    "Netherlands",
    "Nigeria",
    "Norway",
    "Pakistan",
    "Peru",
    "Philippines",
    "Poland",
    "Portugal",
    "Romania",
    "Spain",
    "Sweden",
    "Switzerland",
    "Thailand",
    "Turkey",
    "Ukraine",
    "Vietnam",
    "Worldwide",
)
_TIERS = (
    "instant start",
    "gradual",
    "overnight",
    "long term",
    "small orders",
    "large orders",
    "premium",
    "basic",
)


def _written() -> Iterator[SandboxService]:
    number = 0
    for category, rows in _WRITTEN.items():
        platform = category.split(" · ")[0]
        for name, kind, rate, low, high, flags, desc in rows:
            number += 1
            yield SandboxService(
                id=number,
                name=f"{platform} {name[0].lower()}{name[1:]}",
                type=kind,
                category=category,
                rate=to_micros(rate),
                min=low,
                max=high,
                refill="r" in flags,
                cancel="c" in flags,
                dripfeed="d" in flags,
                desc=desc,
            )


def build_services(count: int) -> dict[int, SandboxService]:
    """Return the first `count` services by id, always the same ones for the same count.

    Services after the sixtieth vary the written ones by place, quality and price.
    """
    written = list(_written())
    services = {service.id: service for service in written[:count]}
    for extra in range(count - len(written)):
        base = written[extra % len(written)]
        turn = extra // len(written)
        place = _PLACES[turn % len(_PLACES)]
        tier = _TIERS[turn // len(_PLACES) % len(_TIERS)]
        server = turn // (len(_PLACES) * len(_TIERS))
        name = f"{base.name}, {place}, {tier}" + (f", server {server + 1}" if server else "")
        # 90 % to 229 % of the base, cut to three decimals so that every charge is exact.
        rate = max(1_000, base.rate * (90 + extra * 37 % 140) // 100 // 1_000 * 1_000)
        number = len(written) + extra + 1
        category = f"{base.category} · {place}"
        services[number] = replace(base, id=number, name=name, category=category, rate=rate)
    return services
