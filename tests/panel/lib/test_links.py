"""Links: when two are one, what they lead to, and that nothing makes reading them fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.lib.links import places
from panel.lib.links.keys import MAX_LINK_KEY, link_key, link_keys
from panel.lib.links.places import What, read_place
from panel.lib.links.platforms import PLATFORMS, plain_words, platforms_named
from panel.lib.links.texts import trim

POST, PROFILE, OTHER = What.POST, What.PROFILE, What.OTHER

# Platform, what it is, and links that are one, of which the first is the key.
ONE: list[tuple[str, What, str]] = [
    (
        "instagram",
        POST,
        """instagram.com/p/AbC123
        https://www.instagram.com/p/AbC123/?igsh=MzRl
        https://instagram.com/p/AbC123
        instagram.com/p/AbC123/?utm_source=ig_web_copy_link
        https://www.instagram.com/reel/AbC123/?utm_source=ig_web_button_share_sheet
        https://m.instagram.com/reels/AbC123/
        http://instagr.am/tv/AbC123
        https://www.instagram.com/natgeo/p/AbC123/?img_index=2
        https://www.instagram.com/natgeo/reel/AbC123/#comments""",
    ),
    (
        "instagram",
        PROFILE,
        """instagram.com/natgeo
        https://www.instagram.com/NatGeo/?hl=en
        https://instagram.com/natgeo?igshid=1
        https://instagram.com/_u/natgeo/
        https://www.instagram.com/natgeo/reels/
        instagram://user?username=natgeo
        https://ig.me/m/natgeo""",
    ),
    (
        "tiktok",
        POST,
        """tiktok.com/video/7123456789012345678
        https://www.tiktok.com/@natgeo/video/7123456789012345678?is_from_webapp=1&sender_device=pc
        https://m.tiktok.com/v/7123456789012345678.html
        https://www.tiktok.com/@NatGeo/photo/7123456789012345678
        https://www.tiktok.com/embed/v2/7123456789012345678
        https://www.tiktok.com/player/v1/7123456789012345678""",
    ),
    (
        "tiktok",
        PROFILE,
        "tiktok.com/@natgeo\n https://www.tiktok.com/@NatGeo?lang=en&_t=8a\n http://tiktok.com/@natgeo/",
    ),
    ("tiktok", OTHER, "tiktok.com/t/ZMabc\n https://vm.tiktok.com/ZMabc/\n https://vt.tiktok.com/ZMabc?k=1"),
    (
        "youtube",
        POST,
        """youtube.com/watch?v=dQw4w9WgXcQ
        https://youtu.be/dQw4w9WgXcQ?si=x
        https://www.youtube.com/watch?v=dQw4w9WgXcQ
        https://m.youtube.com/watch?v=dQw4w9WgXcQ&feature=share
        https://www.youtube.com/watch?app=desktop&v=dQw4w9WgXcQ&list=PL1&index=3&t=42s
        https://youtube.com/shorts/dQw4w9WgXcQ?feature=share
        https://www.youtube.com/live/dQw4w9WgXcQ
        https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ
        https://music.youtube.com/watch?v=dQw4w9WgXcQ
        vnd.youtube:dQw4w9WgXcQ""",
    ),
    (
        "youtube",
        PROFILE,
        "youtube.com/@natgeo\n https://www.youtube.com/@NatGeo/videos\n https://m.youtube.com/@natgeo?si=1",
    ),
    (
        "youtube",
        PROFILE,
        """youtube.com/channel/UCX6OQ3DkcsbYNE6H8uQQuVA
        https://www.youtube.com/channel/UCX6OQ3DkcsbYNE6H8uQQuVA/videos
        UCX6OQ3DkcsbYNE6H8uQQuVA""",
    ),
    ("youtube", OTHER, "youtube.com/playlist?list=PL12\n https://m.youtube.com/playlist?list=PL12&si=a"),
    (
        "facebook",
        POST,
        """facebook.com/watch?v=1234567890
        https://www.facebook.com/watch/?v=1234567890&mibextid=a
        https://m.facebook.com/natgeo/videos/1234567890/
        https://www.facebook.com/natgeo/videos/some-words/1234567890
        https://web.facebook.com/reel/1234567890?rdid=x
        https://mbasic.facebook.com/video.php?v=1234567890""",
    ),
    (
        "facebook",
        POST,
        """facebook.com/100044/posts/pfbid02
        https://www.facebook.com/permalink.php?story_fbid=pfbid02&id=100044
        https://m.facebook.com/story.php?id=100044&story_fbid=pfbid02&__tn__=R
        https://facebook.com/100044/posts/pfbid02?__cft__[0]=AZ""",
    ),
    (
        "facebook",
        POST,
        """facebook.com/groups/birds/posts/55
        https://www.facebook.com/groups/Birds/permalink/55/
        https://m.facebook.com/groups/birds/posts/55/?ref=share""",
    ),
    (
        "facebook",
        PROFILE,
        """facebook.com/100044
        https://www.facebook.com/profile.php?id=100044&fref=nf
        https://www.facebook.com/people/Nat-Geo/100044/
        https://fb.com/100044""",
    ),
    (
        "facebook",
        PROFILE,
        "facebook.com/natgeo\n https://www.facebook.com/NatGeo/about\n https://m.facebook.com/natgeo?ref=1",
    ),
    (
        "x",
        POST,
        """x.com/i/status/1700000000000000001
        https://twitter.com/NatGeo/status/1700000000000000001?s=20&t=abc
        https://x.com/natgeo/status/1700000000000000001/photo/1
        https://mobile.twitter.com/natgeo/statuses/1700000000000000001
        https://x.com/i/web/status/1700000000000000001
        twitter://status?id=1700000000000000001""",
    ),
    (
        "x",
        PROFILE,
        """x.com/natgeo
        https://twitter.com/NatGeo
        https://www.x.com/natgeo/with_replies
        https://twitter.com/intent/user?screen_name=natgeo""",
    ),
    (
        "telegram",
        PROFILE,
        """t.me/natgeo
        https://t.me/NatGeo/
        https://t.me/s/natgeo
        https://telegram.me/natgeo
        https://natgeo.t.me
        https://t.me/natgeo?boost
        tg://resolve?domain=natgeo""",
    ),
    (
        "telegram",
        POST,
        "t.me/natgeo/123\n https://t.me/s/natgeo/123\n https://t.me/NatGeo/123?single\n tg://resolve?domain=natgeo&post=123",
    ),
    ("telegram", PROFILE, "t.me/+AbCdEf\n https://t.me/joinchat/AbCdEf\n tg://join?invite=AbCdEf"),
    ("telegram", POST, "t.me/c/1234/56\n https://t.me/c/1234/56?thread=1\n tg://privatepost?channel=1234&post=56"),
    (
        "spotify",
        POST,
        """open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC
        https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC?si=abc
        https://open.spotify.com/intl-de/track/4uLU6hMCjMI75M1A2tKUQC
        https://open.spotify.com/embed/track/4uLU6hMCjMI75M1A2tKUQC?utm_source=generator
        https://play.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC
        spotify:track:4uLU6hMCjMI75M1A2tKUQC""",
    ),
    (
        "spotify",
        OTHER,
        "open.spotify.com/playlist/37i\n https://open.spotify.com/user/x/playlist/37i\n spotify:user:x:playlist:37i",
    ),
    (
        "soundcloud",
        POST,
        "soundcloud.com/artist/song\n https://m.soundcloud.com/Artist/Song?in=a/sets/b\n https://soundcloud.com/artist/song/s-AbC",
    ),
    (
        "soundcloud",
        PROFILE,
        "soundcloud.com/artist\n https://soundcloud.com/Artist/tracks\n https://soundcloud.com/artist?utm_x=1",
    ),
    (
        "linkedin",
        POST,
        """linkedin.com/feed/update/urn:li:activity:7123456789
        https://www.linkedin.com/posts/bill-gates_some-words-activity-7123456789-AbCd?utm_source=share
        https://www.linkedin.com/feed/update/urn%3Ali%3Aactivity%3A7123456789/
        https://www.linkedin.com/embed/feed/update/urn:li:activity:7123456789""",
    ),
    (
        "linkedin",
        PROFILE,
        "linkedin.com/in/bill-gates\n https://uk.linkedin.com/in/Bill-Gates/?trk=x\n https://linkedin.com/in/bill-gates/details/",
    ),
    (
        "threads",
        POST,
        "threads.net/t/Cuw1\n https://www.threads.net/@natgeo/post/Cuw1?xmt=A\n https://threads.com/t/Cuw1",
    ),
    (
        "threads",
        PROFILE,
        "threads.net/@natgeo\n https://www.threads.com/@NatGeo?igshid=1\n https://threads.net/@natgeo/replies",
    ),
    (
        "twitch",
        PROFILE,
        "twitch.tv/ninja\n https://www.twitch.tv/Ninja/about\n https://m.twitch.tv/ninja?sr=a\n twitch.tv/popout/ninja",
    ),
    (
        "twitch",
        POST,
        "twitch.tv/videos/123\n https://www.twitch.tv/videos/123?t=1h\n https://www.twitch.tv/ninja/video/123",
    ),
    ("twitch", POST, "clips.twitch.tv/FunnyClip-a1\n https://www.twitch.tv/ninja/clip/FunnyClip-a1?filter=clips"),
    (
        "vk",
        POST,
        """vk.com/wall-1_2
        https://m.vk.com/wall-1_2?from=feed
        https://vk.com/club1?w=wall-1_2
        https://vk.com/feed?w=wall-1_2%2Fall
        https://vk.ru/wall-1_2""",
    ),
    (
        "vk",
        POST,
        "vk.com/video-1_2\n https://vkvideo.ru/video-1_2\n https://vk.com/clip-1_2\n https://vk.com/id5?z=video-1_2%2Falbum",
    ),
    ("vk", PROFILE, "vk.com/club1\n https://vk.com/public1\n https://m.vk.com/event1"),
    ("vk", PROFILE, "vk.com/durov\n https://vk.com/Durov/\n https://m.vk.com/durov?from=x"),
    (
        "",
        OTHER,
        """example.com/a?a=1&b=2
        HTTPS://WWW.Example.com:443/a/?b=2&utm_source=x&a=1&fbclid=y#top
        m.example.com/a?a=1&b=2""",
    ),
    ("", OTHER, "@natgeo\n @NatGeo\n \u2068@natgeo\u2069"),
    ("", OTHER, "+12125550100\n +1 (212) 555-0100\n \u202d+1 212 555 0100\u202c"),
]
SAME = [(platform, what, *map(str.strip, text.splitlines())) for platform, what, text in ONE]


def test_links_that_are_one_then_many_kinds_are_known():
    assert sum(len(links) - 1 for _platform, _what, *links in SAME) >= 90
    known = {platform for platform, *_rest in SAME}
    assert known == {*places._READERS, ""}


@pytest.mark.parametrize("same", SAME, ids=lambda same: f"{same[0] or 'any'}-{same[2]}"[:50])
def test_links_that_are_one_then_they_have_one_key(same):
    platform, what, *links = same
    assert {link: link_key(link) for link in links} == dict.fromkeys(links, links[0])
    for link in links:
        assert (read_place(link).platform, read_place(link).what) == (platform, what), link


def test_links_that_differ_then_their_keys_differ():
    keys = [links[0] for _platform, _what, *links in SAME]
    others = [
        "https://www.instagram.com/p/abc123/",  # The case of a post matters.
        "https://www.instagram.com/p/AbC123/c/17900/",  # One comment of the post.
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&lc=UgA",
        "https://www.facebook.com/natgeo/videos/1234567890?comment_id=5",
        "https://t.me/natgeo/123?comment=4",
        "https://t.me/natgeo?start=ref1",  # A bot counts who starts it by this.
        "https://t.me/natgeo/124",
        "https://vk.com/wall-1_2?reply=9",
        "https://example.com/a?a=1&b=3",
        "https://example.com/A?a=1&b=2",
        "https://example.com:8443/a?a=1&b=2",
        "https://open.spotify.com/album/4uLU6hMCjMI75M1A2tKUQC",
        "https://www.linkedin.com/feed/update/urn:li:share:7123456789",
        "https://www.facebook.com/natgeo/posts/55",
    ]
    found = [*keys, *map(link_key, others)]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "text", ["https://instagram.com", "instagram.com/p/", "youtube.com/watch", "t.me/share/url?url=x"]
)
def test_link_when_it_leads_to_nothing_known_then_only_the_platform(text):
    assert (read_place(text).what, bool(read_place(text).platform)) == (OTHER, True)


@pytest.mark.parametrize(
    "host", ["notinstagram.com/p/a", "instagram.com.evil.example/p/a", "evil.example/instagram.com"]
)
def test_link_when_the_host_only_looks_like_one_then_no_platform(host):
    assert read_place(f"https://{host}").platform == ""


def test_keys_when_the_release_before_wrote_another_then_both_are_compared():
    assert link_keys("https://www.instagram.com/p/A/?igsh=1") == ["instagram.com/p/A", "instagram.com/p/A/?igsh=1"]
    assert link_keys("https://example.com/a") == ["example.com/a"]
    assert link_keys("  ") == []


def test_key_when_long_then_cut():
    assert len(link_key("https://example.com/" + "a" * 2_000)) == MAX_LINK_KEY


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_place_when_text_is_anything_then_nothing_raises(text):
    assert link_key(text) == link_key(f"\u200f {text}\u2069 ")


PIECES = [
    "https://",
    "tg:",
    "//",
    "/",
    "?",
    "&",
    "=",
    "#",
    "%",
    "%2F",
    "@",
    ":",
    "-",
    "_",
    "c",
    "s",
    "p",
    "wall",
    "1",
    "posts",
    "w",
]
HOSTS = sorted(host for platform in PLATFORMS.values() for host in platform.hosts)


@given(
    st.sampled_from(["", "https://", "spotify:", "tg://"]), st.sampled_from(HOSTS), st.lists(st.sampled_from(PIECES))
)
def test_place_when_an_address_is_broken_then_nothing_raises(scheme, host, pieces):
    place = read_place(f"{scheme}{host}/{''.join(pieces)}")
    assert read_place(place.key).key == place.key or place.platform == ""


@pytest.mark.parametrize(
    "text",
    [
        "\u200fhttps://a.example\u200f",
        "\u2068https://a.example\u2069",
        "\ufeff https://a.example\t",
        "https://a.example\u3164",
    ],
)
def test_trim_when_marks_are_at_the_ends_then_dropped(text):
    assert trim(text) == "https://a.example"


def test_trim_when_marks_are_inside_or_flags_then_kept():
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e007f"
    assert (trim("a\u200cb"), trim(f" {flag} "), trim("❤\ufe0f")) == ("a\u200cb", flag, "❤\ufe0f")


@pytest.mark.parametrize(
    ("name", "platforms"),
    [
        ("Instagram Followers | Real", "instagram"),
        ("𝗜𝗻𝘀𝘁𝗮𝗴𝗿𝗮𝗺 𝗟𝗶𝗸𝗲𝘀", "instagram"),
        ("Instagram'da beğeni", "instagram"),
        ("Подписчики Инстаграма", "instagram"),
        ("متابعين انستقرام", "instagram"),
        ("YT Views + TikTok", "tiktok youtube"),
        ("Twitter / X Followers", "x"),
        ("HQ 2x speed", ""),
        ("Website traffic", ""),
        ("ВК лайки", "vk"),
    ],
)
def test_platforms_when_a_name_speaks_of_them_then_found(name, platforms):
    assert platforms_named(plain_words(name)) == frozenset(platforms.split())
