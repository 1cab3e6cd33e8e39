"""The service types of the protocol: what each needs from the customer, and how it is priced.

A type that is not in SPECS is imported and shown to the owner, but not sold: the panel would not know what to ask for,
or (Subscriptions) what it could cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """Kind of value of a parameter."""

    LINE = auto()  # one line of text
    LINES = auto()  # several lines of text
    LINK = auto()  # a URL, as the link of an order
    NUMBER = auto()  # a whole number from 1
    CHOICE = auto()  # one of the spec's `choices`
    COUNTRY = auto()  # two letters, upper-cased; WW is the whole world


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of `add` besides link and quantity. `one` names one line of it, in messages.

    `only_if` is (name, value) of another parameter: only with that value is this one used, otherwise dropped.
    """

    name: str
    label: str
    kind: Kind = Kind.LINE
    one: str = ""
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    only_if: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """How a type is ordered.

    `wire` is its name in the protocol, `label` its name on pages. `lines` names the parameter whose non-empty lines are
    the quantity. `drips` means that the protocol allows drip-feed.
    """

    wire: str
    label: str
    params: tuple[Param, ...] = ()
    lines: str = ""
    is_package: bool = False
    drips: bool = False

    @property
    def takes_quantity(self) -> bool:
        """Return True if the customer types the quantity. Otherwise lines are counted, or it is one package."""
        return not self.lines and not self.is_package


DEFAULT = "default"
PACKAGE = "package"
CUSTOM_COMMENTS = "custom_comments"
CUSTOM_COMMENTS_PACKAGE = "custom_comments_package"

_COMMENTS = Param("comments", "Comments", Kind.LINES, one="comment")
_USERNAMES = Param("usernames", "Usernames", Kind.LINES, one="username")
_HASHTAGS = Param("hashtags", "Hashtags", Kind.LINES, one="hashtag")

SPECS: dict[str, TypeSpec] = {
    DEFAULT: TypeSpec("Default", "Default", drips=True),
    PACKAGE: TypeSpec("Package", "Package", is_package=True),
    CUSTOM_COMMENTS: TypeSpec("Custom Comments", "Custom comments", (_COMMENTS,), lines="comments"),
    CUSTOM_COMMENTS_PACKAGE: TypeSpec(
        "Custom Comments Package", "Custom comments package", (_COMMENTS,), lines="comments", is_package=True
    ),
    "mentions": TypeSpec("Mentions", "Mentions", (_USERNAMES,)),
    "mentions_with_hashtags": TypeSpec("Mentions with Hashtags", "Mentions with hashtags", (_USERNAMES, _HASHTAGS)),
    "mentions_hashtag": TypeSpec("Mentions Hashtag", "Mentions by hashtag", (Param("hashtag", "Hashtag"),)),
    "mentions_custom_list": TypeSpec(
        "Mentions Custom List", "Mentions from your list", (_USERNAMES,), lines="usernames"
    ),
    "mentions_user_followers": TypeSpec(
        "Mentions User Followers",
        "Mentions of followers",
        (Param("username", "Username", help="Whose followers are mentioned."),),
    ),
    "mentions_media_likers": TypeSpec(
        "Mentions Media Likers",
        "Mentions of likers",
        (Param("media", "Post", Kind.LINK, help="The address whose likers are mentioned."),),
    ),
    "comment_likes": TypeSpec(
        "Comment Likes", "Comment likes", (Param("username", "Username", help="Who wrote the comment."),)
    ),
    "comment_replies": TypeSpec(
        "Comment Replies",
        "Comment replies",
        (Param("username", "Username", help="Who wrote the comment that is replied to."), _COMMENTS),
        lines="comments",
    ),
    "poll": TypeSpec(
        "Poll",
        "Poll",
        (Param("answer_number", "Answer number", Kind.NUMBER, help="Which answer gets the votes: 1, 2, …"),),
    ),
    "invites_from_groups": TypeSpec(
        "Invites from Groups", "Invites from groups", (Param("groups", "Groups", Kind.LINES, one="group"),)
    ),
    "seo": TypeSpec("SEO", "SEO", (Param("keywords", "Keywords", Kind.LINES, one="keyword"),)),
    "web_traffic": TypeSpec(
        "Web Traffic",
        "Web traffic",
        (
            Param(
                "country",
                "Country",
                Kind.COUNTRY,
                help="A country's two-letter code, such as US, or WW for the whole world.",
            ),
            Param(
                "device",
                "Device",
                Kind.CHOICE,
                choices=(
                    ("1", "Desktop"),
                    ("2", "Mobile (Android)"),
                    ("3", "Mobile (iOS)"),
                    ("4", "Mobile (mixed)"),
                    ("5", "Mobile and desktop"),
                ),
            ),
            Param(
                "type_of_traffic",
                "Visitors come from",
                Kind.CHOICE,
                choices=(("1", "A search"), ("2", "Another page"), ("3", "Nowhere (direct)")),
            ),
            Param(
                "google_keyword",
                "Keyword of the search",
                only_if=("type_of_traffic", "1"),
                help="For visitors that come from a search.",
            ),
            Param(
                "referring_url",
                "Address of the other page",
                Kind.LINK,
                only_if=("type_of_traffic", "2"),
                help="For visitors that come from another page.",
            ),
        ),
    ),
}


def is_sellable(service_type: str) -> bool:
    """Return True if the order form knows the parameters of this type."""
    return service_type in SPECS
