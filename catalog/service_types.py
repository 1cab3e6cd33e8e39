"""The service types of the protocol: what each needs from the customer, and how it is priced.

A type that is not in SPECS is imported and shown to the owner, but not sold: the panel would not know what to ask for,
or (Subscriptions) what it could cost. Providers write types in other spellings; what a word means that is in none of
the tables here is for the owner to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

# Marked here, and translated where they are shown.
from django.utils.translation import gettext_noop as _


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

_COMMENTS = Param("comments", _("Comments"), Kind.LINES)
_USERNAMES = Param("usernames", _("Usernames"), Kind.LINES)
_HASHTAGS = Param("hashtags", _("Hashtags"), Kind.LINES)

SPECS: dict[str, TypeSpec] = {
    DEFAULT: TypeSpec("Default", _("Default"), drips=True),
    PACKAGE: TypeSpec("Package", _("Package"), is_package=True),
    CUSTOM_COMMENTS: TypeSpec("Custom Comments", _("Custom comments"), (_COMMENTS,), lines="comments"),
    CUSTOM_COMMENTS_PACKAGE: TypeSpec(
        "Custom Comments Package", _("Custom comments package"), (_COMMENTS,), lines="comments", is_package=True
    ),
    "mentions": TypeSpec("Mentions", _("Mentions"), (_USERNAMES,)),
    "mentions_with_hashtags": TypeSpec("Mentions with Hashtags", _("Mentions with hashtags"), (_USERNAMES, _HASHTAGS)),
    "mentions_hashtag": TypeSpec("Mentions Hashtag", _("Mentions by hashtag"), (Param("hashtag", _("Hashtag")),)),
    "mentions_custom_list": TypeSpec(
        "Mentions Custom List", _("Mentions from your list"), (_USERNAMES,), lines="usernames"
    ),
    "mentions_user_followers": TypeSpec(
        "Mentions User Followers",
        _("Mentions of followers"),
        (Param("username", _("Username"), help=_("Whose followers are mentioned.")),),
    ),
    "mentions_media_likers": TypeSpec(
        "Mentions Media Likers",
        _("Mentions of likers"),
        (Param("media", _("Post"), Kind.LINK, help=_("The address whose likers are mentioned.")),),
    ),
    "comment_likes": TypeSpec(
        "Comment Likes", _("Comment likes"), (Param("username", _("Username"), help=_("Who wrote the comment.")),)
    ),
    "comment_replies": TypeSpec(
        "Comment Replies",
        _("Comment replies"),
        (Param("username", _("Username"), help=_("Who wrote the comment that is replied to.")), _COMMENTS),
        lines="comments",
    ),
    "poll": TypeSpec(
        "Poll",
        _("Poll"),
        (Param("answer_number", _("Answer number"), Kind.NUMBER, help=_("Which answer gets the votes: 1, 2, …")),),
    ),
    "invites_from_groups": TypeSpec(
        "Invites from Groups", _("Invites from groups"), (Param("groups", _("Groups"), Kind.LINES),)
    ),
    "seo": TypeSpec("SEO", _("SEO"), (Param("keywords", _("Keywords"), Kind.LINES),)),
    "web_traffic": TypeSpec(
        "Web Traffic",
        _("Web traffic"),
        (
            Param(
                "country",
                _("Country"),
                Kind.COUNTRY,
                help=_("A country's two-letter code, such as US, or WW for the whole world."),
            ),
            Param(
                "device",
                _("Device"),
                Kind.CHOICE,
                choices=(
                    ("1", _("Desktop")),
                    ("2", _("Mobile (Android)")),
                    ("3", _("Mobile (iOS)")),
                    ("4", _("Mobile (mixed)")),
                    ("5", _("Mobile and desktop")),
                ),
            ),
            Param(
                "type_of_traffic",
                _("Visitors come from"),
                Kind.CHOICE,
                choices=(("1", _("A search")), ("2", _("Another page")), ("3", _("Nowhere (direct)"))),
            ),
            Param(
                "google_keyword",
                _("Keyword of the search"),
                only_if=("type_of_traffic", "1"),
                help=_("For visitors that come from a search."),
            ),
            Param(
                "referring_url",
                _("Address of the other page"),
                Kind.LINK,
                only_if=("type_of_traffic", "2"),
                help=_("For visitors that come from another page."),
            ),
        ),
    ),
}

SUBSCRIPTIONS = "subscriptions"
# Known, and not sold. The owner cannot make anything else of them: an order would cost what nobody knows.
NOT_SOLD = (SUBSCRIPTIONS,)

# Near spellings by type, besides the type's own name. Case and what stands between the words make no difference. A word
# that two types could claim ("mentions hashtags": with usernames or without?), or that says too little ("normal",
# "likes"), is not here: whoever guesses wrong sells a package at the price of 1000.
NEAR_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    DEFAULT: ("defaults", "default service"),
    PACKAGE: ("packages",),
    CUSTOM_COMMENTS: ("custom comment", "comment custom", "comments custom"),
    CUSTOM_COMMENTS_PACKAGE: (
        "custom comment package",
        "custom comments packages",
        "package custom comments",
        "package custom comment",
    ),
    "mentions": ("mention",),
    "mentions_with_hashtags": ("mention with hashtags", "mention with hashtag", "mentions with hashtag"),
    "mentions_hashtag": ("mention hashtag",),
    "mentions_custom_list": ("mention custom list", "mentions custom lists", "mentions from custom list"),
    "mentions_user_followers": (
        "mention user followers",
        "mention user follower",
        "mentions user follower",
        "mentions users followers",
    ),
    "mentions_media_likers": ("mention media likers", "mention media liker", "mentions media liker"),
    "comment_likes": ("comment like", "comments like", "comments likes"),
    "comment_replies": (
        "comment reply",
        "comments reply",
        "comments replies",
        "custom reply",
        "custom replies",
        "custom comment reply",
        "custom comment replies",
        "custom comments reply",
        "custom comments replies",
    ),
    "poll": ("polls", "poll vote", "poll votes", "polls vote", "polls votes"),
    "invites_from_groups": ("invite", "invites", "invite from group", "invite from groups", "invites from group"),
    "web_traffic": ("website traffic",),
    SUBSCRIPTIONS: ("subscription",),
}


def _letters(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


_BY_LETTERS: Mapping[str, str] = {
    _letters(word): known for known in (*SPECS, *NOT_SOLD) for word in (known, *NEAR_SPELLINGS.get(known, ()))
}


def known_type(word: str) -> str:
    """Return the type that a provider's word names by itself, in any spelling of the table; "" if it names none."""
    return _BY_LETTERS.get(_letters(word), "")


def type_of(word: str, taught: Mapping[str, str]) -> str:
    """Return the type of a provider's word: what the owner says of it in `taught`, else what it names by itself.

    A word that means nothing here is its own type, which is not in SPECS and so not sold.
    """
    return taught.get(word) or known_type(word) or word


def is_package_type(service_type: str) -> bool:
    """Return True if the price of this type is for a package. A type that is not in SPECS is none."""
    spec = SPECS.get(service_type)
    return spec is not None and spec.is_package


def is_sellable(service_type: str) -> bool:
    """Return True if the order form knows the parameters of this type."""
    return service_type in SPECS
