"""What a link leads to, and the one address under which all links to it are known.

The address is for comparison only: providers get the customer's own text. It is written as a person would write it,
"instagram.com/p/AbC123", so that a part of it can be searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

from panel.lib.links.app_links import web_address
from panel.lib.links.platforms import platform_of_host
from panel.lib.links.texts import Address, names_of, split_address, trim


class What(Enum):
    """What a link leads to. OTHER: something else, such as a playlist or a story, or unknown."""

    POST = "post"
    PROFILE = "profile"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Place:
    """`platform` is "" if it is not known. `key` is the address without scheme, or the text itself."""

    platform: str
    what: What
    key: str


# What, and the address without its tracking; None if the path is not of a known kind.
Found = tuple[What, str] | None

# Parameters that say where a link was copied.
_TRACKING = names_of(
    "igsh igshid ig_rid si feature fbclid gclid dclid gbraid wbraid msclkid yclid twclid ttclid mibextid rdid _ga _gl "
    "ref_src ref_url share_id share_app_id share_link_id is_from_webapp sender_device web_id is_copy_url _r _t "
    "refsrc paipv eav __tn__ __xts__ __cft__[0] hc_ref fref mc_cid mc_eid trackingid trk trkinfo rcm originalsubdomain"
)
_TRACKING_PREFIXES = ("utm_", "hss_", "pk_", "mtm_")
# Of one platform, where the letter may mean something else elsewhere.
_TRACKING_OF = {"x": frozenset({"s", "t", "lang", "cxt"}), "youtube": frozenset({"t", "ab_channel", "app", "pp"})}


def _is_name(part: str) -> bool:
    return bool(part) and all(one.isalnum() or one in "._-" for one in part)


def _instagram(at: Address) -> Found:
    path = at.path
    if at.host == "ig.me":
        return (What.PROFILE, f"instagram.com/{path[1].lower()}") if path[:1] == ("m",) and len(path) > 1 else None
    if len(path) >= 3 and path[1] in ("p", "reel", "reels", "tv"):
        path = path[1:]  # With the name before it.
    if path[0] in ("p", "reel", "reels", "tv") and len(path) >= 2:
        comment = f"/c/{path[3]}" if path[2:3] == ("c",) and len(path) > 3 else ""
        return What.POST, f"instagram.com/p/{path[1]}{comment}"
    if path[0] == "_u" and len(path) > 1:
        path = path[1:]
    if path[0] in ("stories", "explore", "share", "accounts", "direct", "about", "reels", "p", "s", "audio"):
        return None
    return (
        (What.PROFILE, f"instagram.com/{path[0].removeprefix('@').lower()}") if _is_name(path[0].lstrip("@")) else None
    )


def _threads(at: Address) -> Found:
    path = at.path
    if path[0] == "t" and len(path) > 1:
        return What.POST, f"threads.net/t/{path[1]}"
    if path[0].startswith("@"):
        if path[1:2] == ("post",) and len(path) > 2:
            return What.POST, f"threads.net/t/{path[2]}"
        return What.PROFILE, f"threads.net/{path[0].lower()}"
    return None


def _tiktok(at: Address) -> Found:
    path = at.path
    if at.host in ("vm.tiktok.com", "vt.tiktok.com"):
        return What.OTHER, f"tiktok.com/t/{path[0]}"  # A short link: of a video or of a profile.
    if path[0] == "t" and len(path) > 1:
        return What.OTHER, f"tiktok.com/t/{path[1]}"
    number = next((part.removesuffix(".html") for part in reversed(path) if part.removesuffix(".html").isdigit()), "")
    if number and path[0] in ("v", "embed", "player", "video"):
        return What.POST, f"tiktok.com/video/{number}"
    if path[0].startswith("@"):
        if len(path) == 1:
            return What.PROFILE, f"tiktok.com/{path[0].lower()}"
        if path[1] in ("video", "photo") and number:
            return What.POST, f"tiktok.com/video/{number}"
    return None


_YOUTUBE_OWN = names_of("results feed hashtag gaming premium about redirect account playlist watch clip post")


def _youtube(at: Address) -> Found:
    path = at.path
    comment = f"&lc={at.value('lc')}" if at.value("lc") else ""
    if at.host == "youtu.be":
        return What.POST, f"youtube.com/watch?v={path[0]}{comment}"
    if path[0] == "watch" and at.value("v"):
        return What.POST, f"youtube.com/watch?v={at.value('v')}{comment}"
    if path[0] in ("shorts", "live", "embed", "v", "e", "watch") and len(path) > 1:
        return What.POST, f"youtube.com/watch?v={path[1]}{comment}"
    if path[0] in ("post", "clip") and len(path) > 1:
        return What.POST, f"youtube.com/{path[0]}/{path[1]}"
    if path[0] == "playlist" and at.value("list"):
        return What.OTHER, f"youtube.com/playlist?list={at.value('list')}"
    if path[0] == "channel" and len(path) > 1:
        if path[2:3] == ("community",) and at.value("lb"):
            return What.POST, f"youtube.com/post/{at.value('lb')}"
        return What.PROFILE, f"youtube.com/channel/{path[1]}"
    if path[0] in ("c", "user") and len(path) > 1:
        return What.PROFILE, f"youtube.com/{path[0]}/{path[1].lower()}"
    if path[0].startswith("@"):
        return What.PROFILE, f"youtube.com/{unquote(path[0]).lower()}"
    return (What.PROFILE, f"youtube.com/{path[0].lower()}") if path[0].lower() not in _YOUTUBE_OWN else None


_FACEBOOK_OWN = names_of(
    "events marketplace gaming help login sharer sharer.php dialog plugins hashtag stories ads business search l.php "
    "share watch reel photo photo.php video.php permalink.php story.php profile.php groups pages people"
)


def _facebook(at: Address) -> Found:
    path = at.path
    comment = f"&comment_id={at.value('comment_id')}" if at.value("comment_id") else ""
    if at.host == "fb.watch":
        return What.POST, f"fb.watch/{path[0]}"
    found = _facebook_post(at)
    if found:
        return What.POST, f"facebook.com/{found}{comment if '?' in found else comment.replace('&', '?', 1)}"
    if path[0] == "profile.php" and at.value("id"):
        return What.PROFILE, f"facebook.com/{at.value('id')}"
    if path[0] == "groups" and len(path) > 1:
        return What.PROFILE, f"facebook.com/groups/{path[1].lower()}"
    if path[0] in ("pages", "people") and len(path) > 2:
        return What.PROFILE, f"facebook.com/{path[-1]}"
    if path[0] in ("pages", "people", "p") and len(path) == 2:
        return What.PROFILE, f"facebook.com/{path[1].lower()}"
    return (What.PROFILE, f"facebook.com/{path[0].lower()}") if path[0].lower() not in _FACEBOOK_OWN else None


def _facebook_post(at: Address) -> str:
    """Return the path of a post, photo or video; "" if it is none."""
    path, last = at.path, at.path[-1]
    if path[0] in ("watch", "video.php") and at.value("v"):
        return f"watch?v={at.value('v')}"
    if path[0] == "reel" and len(path) > 1:
        return f"watch?v={path[1]}"
    if path[0] in ("permalink.php", "story.php") and at.value("story_fbid"):
        return f"{at.value('id').lower()}/posts/{at.value('story_fbid')}"
    if path[0] in ("photo", "photo.php") and at.value("fbid"):
        return f"photo?fbid={at.value('fbid')}"
    if path[0] == "share" and path[1:2] in (("p",), ("v",), ("r",)) and len(path) > 2:
        return f"share/{path[1]}/{path[2]}"
    if path[0] == "groups" and len(path) > 3 and path[2] in ("posts", "permalink"):
        return f"groups/{path[1].lower()}/posts/{path[3]}"
    if len(path) > 2 and path[1] == "videos":
        return f"watch?v={last}"
    if len(path) > 2 and path[1] == "photos":
        return f"photo?fbid={last}"
    if len(path) > 2 and path[1] == "posts":
        return f"{path[0].lower()}/posts/{last}"
    return ""


_X_OWN = names_of("i intent search hashtag home explore settings share notifications messages login about tos")


def _x(at: Address) -> Found:
    path = at.path
    for place, part in enumerate(path[:-1]):
        if part in ("status", "statuses") and path[place + 1].isdigit():
            return What.POST, f"x.com/i/status/{path[place + 1]}"
    if path[0] == "intent":
        if at.value("tweet_id"):
            return What.POST, f"x.com/i/status/{at.value('tweet_id')}"
        return (What.PROFILE, f"x.com/{at.value('screen_name').lower()}") if at.value("screen_name") else None
    name = path[0].removeprefix("@").lower()
    return (What.PROFILE, f"x.com/{name}") if name not in _X_OWN and _is_name(name) else None


_TELEGRAM_OWN = names_of("addstickers addemoji proxy socks share addtheme setlanguage bg login iv invoice addlist")


def _telegram(at: Address) -> Found:
    path = at.path
    if at.host not in ("t.me", "telegram.me", "telegram.dog"):
        path = (at.host.partition(".")[0], *path)  # name.t.me
    if path[0] == "s" and len(path) > 1:
        path = path[1:]  # The preview of a channel.
    if path[0] == "boost" and len(path) > 1:
        path = path[1:]
    name = path[0].lower()
    if path[0] == "c" and len(path) > 1:
        rest = f"/{path[-1]}" if len(path) > 2 else ""
        return (What.POST if rest else What.PROFILE), f"t.me/c/{path[1]}{rest}"
    if path[0].startswith("+") or (name == "joinchat" and len(path) > 1):
        return What.PROFILE, f"t.me/+{path[-1].removeprefix('+')}"
    if name in _TELEGRAM_OWN or not _is_name(name):
        return None
    if path[1:2] == ("s",) and len(path) > 2:
        return What.OTHER, f"t.me/{name}/s/{path[2]}"
    if path[-1].isdigit() and len(path) > 1:
        comment = f"?comment={at.value('comment')}" if at.value("comment") else ""
        return What.POST, f"t.me/{name}/{path[-1]}{comment}"
    if len(path) > 1:
        return None
    # Who starts a bot is counted by its parameter.
    start = next((f"?{one}={at.value(one)}" for one in ("start", "startapp", "startgroup") if at.value(one)), "")
    return What.PROFILE, f"t.me/{name}{start}"


_SPOTIFY = {"track": What.POST, "episode": What.POST, "artist": What.PROFILE, "user": What.PROFILE}


def _spotify(at: Address) -> Found:
    path = at.path
    if at.host == "spotify.link":
        return None
    if len(path) > 2 and path[0].startswith("intl-"):
        path = path[1:]
    if len(path) > 2 and path[0] == "embed":
        path = path[1:]
    if len(path) > 3 and path[0] == "user" and path[2] == "playlist":
        path = path[2:]
    if len(path) > 1 and (path[0] in _SPOTIFY or path[0] in ("album", "playlist", "show")):
        return _SPOTIFY.get(path[0], What.OTHER), f"open.spotify.com/{path[0]}/{path[1]}"
    return None


_SOUNDCLOUD_PAGES = names_of("tracks albums sets reposts likes followers following popular-tracks comments")
_SOUNDCLOUD_OWN = names_of("discover stream you search upload charts pages settings")


def _soundcloud(at: Address) -> Found:
    path = tuple(part.lower() for part in at.path)
    if at.host == "on.soundcloud.com" or path[0] in _SOUNDCLOUD_OWN:
        return None
    if len(path) == 1 or (len(path) == 2 and path[1] in _SOUNDCLOUD_PAGES):
        return What.PROFILE, f"soundcloud.com/{path[0]}"
    if path[1] == "sets":
        return What.OTHER, f"soundcloud.com/{path[0]}/sets/{path[2]}"
    return What.POST, f"soundcloud.com/{path[0]}/{path[1]}"


def _linkedin(at: Address) -> Found:
    path = tuple(unquote(part) for part in at.path)
    if at.host == "lnkd.in":
        return None
    if path[0] in ("in", "company", "school", "showcase", "groups") and len(path) > 1:
        if path[2:3] == ("posts",) and len(path) > 3:
            return None
        return What.PROFILE, f"linkedin.com/{path[0]}/{path[1].lower()}"
    if path[0] == "pulse" and len(path) > 1:
        return What.POST, f"linkedin.com/pulse/{path[1].lower()}"
    text = path[-1] if path[:2] == ("feed", "update") or path[0] in ("posts", "embed") else ""
    for kind in ("activity", "ugcPost", "share"):
        # "urn:li:activity:71" or "name_some-words-activity-71-abcd".
        mark = f"{kind}:" if f"{kind}:" in text else f"-{kind}-"
        number = text.partition(mark)[2].partition("-")[0]
        if number.isdigit():
            return What.POST, f"linkedin.com/feed/update/urn:li:{kind}:{number}"
    return None


_TWITCH_OWN = names_of("directory downloads jobs p settings subscriptions turbo search team collections")


def _twitch(at: Address) -> Found:
    path = at.path
    if at.host == "clips.twitch.tv":
        return What.POST, f"clips.twitch.tv/{path[0]}"
    if path[0] in ("popout", "moderator") and len(path) > 1:
        path = path[1:]
    if path[0] == "videos" and len(path) > 1:
        return What.POST, f"twitch.tv/videos/{path[1]}"
    if len(path) > 2 and path[1] in ("video", "v", "videos") and path[2].isdigit():
        return What.POST, f"twitch.tv/videos/{path[2]}"
    if len(path) > 2 and path[1] == "clip":
        return What.POST, f"clips.twitch.tv/{path[2]}"
    name = path[0].lower()
    return (What.PROFILE, f"twitch.tv/{name}") if name not in _TWITCH_OWN and _is_name(name) else None


_VK_POSTS = ("wall", "photo", "video", "clip")
_VK_OWN = names_of("feed im search video audio music apps login away.php share.php clips market games docs")


def _vk(at: Address) -> Found:
    # What lies over a page is in its parameter: id1?w=wall1_2, or ?z=photo1_2/album1_0.
    over = unquote(at.value("w") or at.value("z")).partition("/")[0]
    thing = over or at.path[-1]
    for kind in _VK_POSTS:
        number = thing.removeprefix(kind)
        owner, line, own = number.removeprefix("-").partition("_")
        if number != thing and line and owner.isdigit() and own.isdigit():
            reply = f"?reply={at.value('reply')}" if at.value("reply") else ""
            return What.POST, f"vk.com/{'video' if kind == 'clip' else kind}{number}{reply}"
    name = at.path[0].lower()
    for word in ("public", "event"):
        if name.removeprefix(word).isdigit() and name.startswith(word):
            name = f"club{name.removeprefix(word)}"
    if over or len(at.path) > 1 or name in _VK_OWN or not _is_name(name):
        return None
    return What.PROFILE, f"vk.com/{name}"


_READERS: Mapping[str, Callable[[Address], Found]] = {
    "instagram": _instagram,
    "threads": _threads,
    "tiktok": _tiktok,
    "youtube": _youtube,
    "facebook": _facebook,
    "x": _x,
    "telegram": _telegram,
    "spotify": _spotify,
    "soundcloud": _soundcloud,
    "linkedin": _linkedin,
    "twitch": _twitch,
    "vk": _vk,
}


def read_place(link: str) -> Place:
    """Return what a link leads to. Never raises: of what it cannot read, it returns the text as the key."""
    text = trim(link)
    at = split_address(web_address(text))
    if at is None:
        return _place_of_text(text)
    platform = platform_of_host(at.host)
    if (at.path or at.host.endswith(".t.me")) and platform in _READERS and (found := _READERS[platform](at)):
        return Place(platform, *found)
    # vkontakte.ru/feed or example.com/page: the address without where it was copied.
    return Place(platform, What.OTHER, _plain_address(at, platform))


def _plain_address(at: Address, platform: str) -> str:
    own = _TRACKING_OF.get(platform, frozenset())
    pairs = sorted(pair for pair in at.query if not _is_tracking(pair.partition("=")[0].lower(), own))
    path = "".join(f"/{part}" for part in at.path)
    # A page that scripts draw has its address in the fragment.
    fragment = f"#{at.fragment}" if at.fragment[:1] in ("/", "!") else ""
    return f"{at.host}{path}{'?' if pairs else ''}{'&'.join(pairs)}{fragment}"


def _is_tracking(name: str, own: frozenset[str]) -> bool:
    return name in _TRACKING or name in own or name.startswith(_TRACKING_PREFIXES)


def _place_of_text(text: str) -> Place:
    if text.startswith("@"):
        return Place("", What.OTHER, text.lower())
    if len(text) == 24 and text.startswith("UC") and text.isascii() and _is_name(text) and "." not in text:
        return Place("youtube", What.PROFILE, f"youtube.com/channel/{text}")
    if text.startswith("+") and all(one in "+0123456789 ().-" for one in text):
        return Place("", What.OTHER, "+" + "".join(one for one in text if one.isdigit()))
    return Place("", What.OTHER, text)
