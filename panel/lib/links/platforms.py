"""The platforms that services are sold for: their addresses, and the words by which a service names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """A site, with every name before its `hosts`, such as "www.".

    `words` are in lower case; one that ends in "*" stands for all that begin so.
    """

    name: str
    label: str
    hosts: tuple[str, ...]
    words: tuple[str, ...]


def _platform(name: str, label: str, hosts: str, words: str) -> Platform:
    return Platform(name, label, tuple(hosts.split()), words_of(words))


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a list for `holds`: in lower case, separated by commas."""
    return tuple(word.strip() for word in text.split(","))


# Names of one letter, and words that mean something else too, are left out: no platform is better than a wrong one.
PLATFORMS: Mapping[str, Platform] = {
    platform.name: platform
    for platform in (
        _platform(
            "instagram",
            "Instagram",
            "instagram.com instagr.am ig.me",
            "instagram*, insta, ig, инстаграм*, انستا*, إنستا*, انستقرام, اینستا*, इंस्टाग्राम*",
        ),
        _platform("threads", "Threads", "threads.net threads.com", "threads"),
        _platform(
            "tiktok",
            "TikTok",
            "tiktok.com",
            "tiktok*, tik tok, тикток*, тик ток, تيك توك, تیک تاک, टिकटॉक",
        ),
        _platform(
            "youtube",
            "YouTube",
            "youtube.com youtu.be youtube-nocookie.com",
            "youtube*, yt, ютуб*, ютюб*, يوتيوب, یوتیوب, यूट्यूब",
        ),
        _platform(
            "facebook",
            "Facebook",
            "facebook.com fb.com fb.watch fb.me",
            "facebook*, fb, фейсбук*, فيسبوك, فیسبوک, फेसबुक",
        ),
        _platform(
            "x", "X", "x.com twitter.com", "twitter*, x followers, x likes, x retweets, x views, x com, твиттер*, تويتر"
        ),
        _platform(
            "telegram",
            "Telegram",
            "t.me telegram.me telegram.dog",
            "telegram*, tg, телеграм*, تلجرام, تليجرام, تيليجرام, تلگرام, टेलीग्राम",
        ),
        _platform("spotify", "Spotify", "spotify.com spotify.link", "spotify*, спотифай"),
        _platform("soundcloud", "SoundCloud", "soundcloud.com", "soundcloud*, sound cloud"),
        _platform("linkedin", "LinkedIn", "linkedin.com lnkd.in", "linkedin*, linked in"),
        _platform("twitch", "Twitch", "twitch.tv", "twitch*, твич*"),
        _platform("vk", "VK", "vk.com vk.ru vkvideo.ru vkontakte.ru", "vk, vkontakte, вк, вконтакте"),
        _platform("discord", "Discord", "discord.com discord.gg discordapp.com", "discord*, дискорд*"),
        _platform("pinterest", "Pinterest", "pinterest.com pin.it", "pinterest*"),
        _platform("snapchat", "Snapchat", "snapchat.com", "snapchat*"),
        _platform("reddit", "Reddit", "reddit.com redd.it", "reddit*"),
        _platform("whatsapp", "WhatsApp", "whatsapp.com wa.me", "whatsapp*"),
        _platform("kick", "Kick", "kick.com", "kick"),
        _platform("rumble", "Rumble", "rumble.com", "rumble"),
        _platform("likee", "Likee", "likee.video", "likee"),
        _platform("kwai", "Kwai", "kwai.com", "kwai"),
        _platform("vimeo", "Vimeo", "vimeo.com", "vimeo"),
        _platform("dailymotion", "Dailymotion", "dailymotion.com dai.ly", "dailymotion"),
        _platform("quora", "Quora", "quora.com", "quora"),
        _platform("tumblr", "Tumblr", "tumblr.com", "tumblr"),
        _platform("deezer", "Deezer", "deezer.com deezer.page.link", "deezer"),
        _platform("shazam", "Shazam", "shazam.com", "shazam"),
        _platform("audiomack", "Audiomack", "audiomack.com", "audiomack"),
        _platform("apple_music", "Apple Music", "music.apple.com", "apple music, itunes"),
        _platform("ok", "OK.ru", "ok.ru odnoklassniki.ru", "ok ru, odnoklassniki, одноклассник*"),
        _platform("bluesky", "Bluesky", "bsky.app", "bluesky"),
    )
}

_BY_HOST = {host: platform.name for platform in PLATFORMS.values() for host in platform.hosts}


def platform_of_host(host: str) -> str:
    """Return the name of the platform whose address this is; "" if it is not known. `host` has no "www."."""
    if host in _BY_HOST:
        return _BY_HOST[host]
    # Of a screen, a country or a name: mbasic.facebook.com, uk.linkedin.com, name.t.me.
    return _BY_HOST.get(host.partition(".")[2], "")


def plain_words(text: str) -> str:
    """Return the words of a name in lower case with one space around each, for `holds`. Styled letters become plain."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = (one if one.isalnum() or unicodedata.category(one)[0] == "M" else " " for one in folded)
    return f" {' '.join(''.join(spaced).split())} "


def holds(words: str, wanted: Iterable[str]) -> bool:
    """Return True if `words`, as `plain_words` returned them, hold one of the wanted; "like*" is what begins so."""
    return any(f" {one[:-1]}" in words if one.endswith("*") else f" {one} " in words for one in wanted)


def platforms_named(words: str) -> frozenset[str]:
    """Return the names of the platforms that `words`, as `plain_words` returned them, speak of."""
    return frozenset(name for name, platform in PLATFORMS.items() if holds(words, platform.words))
