"""Links that open an app, such as tg://resolve?domain=name, as the web addresses of the same places."""

from __future__ import annotations

from panel.lib.links.texts import Address, names_of

# Schemes of apps that people copy links of. Others are taken only where the owner says that a service takes app links.
APP_SCHEMES = names_of(
    "tg spotify instagram fb fb-messenger twitter youtube vnd.youtube whatsapp viber snapchat vk discord twitch "
    "soundcloud deezer tiktok snssdk1128 snssdk1180 snssdk1233 musically line skype steam kwai likee barcelona "
    "pinterest reddit linkedin"
)


def web_address(text: str) -> str:
    """Return the web address of what the link of an app leads to; any other text unchanged."""
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in ("tg", "spotify", "instagram", "twitter", "vnd.youtube", "vk"):
        return text
    if scheme == "spotify":
        return "open.spotify.com/" + "/".join(part for part in rest.replace(":", "/").split("/") if part)
    if scheme == "vnd.youtube":
        return f"youtu.be/{rest.lstrip('/')}"
    page, _mark, query = rest.lstrip("/").partition("?")
    at = Address("", (), tuple(query.split("&")), "")
    if scheme == "vk":
        return f"vk.com/{page.removeprefix('vk.com/')}"
    if scheme == "tg":
        return _of_telegram(page.rstrip("/"), at, text)
    if scheme == "instagram" and page == "user" and at.value("username"):
        return f"instagram.com/{at.value('username')}"
    if scheme == "twitter" and page == "user" and at.value("screen_name"):
        return f"x.com/{at.value('screen_name')}"
    if scheme == "twitter" and page == "status" and at.value("id"):
        return f"x.com/i/status/{at.value('id')}"
    return text


def _of_telegram(page: str, at: Address, text: str) -> str:
    if page == "resolve" and at.value("domain"):
        post = f"/{at.value('post')}" if at.value("post") else ""
        start = f"?start={at.value('start')}" if at.value("start") else ""
        return f"t.me/{at.value('domain')}{post}{start}"
    if page == "join" and at.value("invite"):
        return f"t.me/+{at.value('invite')}"
    if page == "privatepost" and at.value("channel"):
        return f"t.me/c/{at.value('channel')}/{at.value('post')}"
    return text
