"""What the link of a service is: an address, a username … Guessed from its names, or set by the owner. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from panel.lib.links.places import What
from panel.lib.links.platforms import holds, plain_words, platforms_named, words_of


class LinkKind(TextChoices):
    """What customers enter as the link. A service without one has the kind that `guess_kind` returns."""

    ADDRESS = "address", _("Address")
    USERNAME = "username", _("Username")
    NUMBER = "number", _("Numeric ID")
    PHONE = "phone", _("Phone number")
    APP = "app", _("App link")
    KEYWORD = "keyword", _("Keyword")
    TEXT = "text", _("Free text")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a service takes as its link. `is_guess`: the owner did not set the kind, so whatever is plausible passes."""

    kind: LinkKind = LinkKind.ADDRESS
    is_guess: bool = True


def expected_link(*, own: str, service_type: str, category: str, name: str) -> Expected:
    """Return what a service takes: its `own` kind if the owner set one, otherwise a guess."""
    if own in LinkKind:
        return Expected(LinkKind(own), is_guess=False)
    return Expected(guess_kind(service_type=service_type, category=category, name=name))


# In lower case; "*" ends a word that others begin with. Only what leaves no doubt: a wrong guess hides the right hint.
_KIND_WORDS: tuple[tuple[LinkKind, tuple[str, ...]], ...] = (
    (
        LinkKind.PHONE,
        words_of(
            "phone number*, mobile number*, whatsapp number*, номер телефона, номера телефонов, "
            "telefon numara*, nomor hp, nomor telepon, số điện thoại, número de teléfono, numero de telefono, "
            "número de telefone, numero de telefone, رقم الهاتف, شماره تلفن, फ़ोन नंबर"
        ),
    ),
    (
        LinkKind.KEYWORD,
        words_of(
            "keyword*, search term*, search word*, ключевое слово, ключевому слову, ключевые слова, "
            "anahtar kelime*, kata kunci, từ khóa, palabra clave, palabras clave, palavra chave, "
            "palavras chave, كلمة مفتاحية, کلمه کلیدی, कीवर्ड"
        ),
    ),
    (
        LinkKind.USERNAME,
        words_of(
            "username*, user name*, nickname*, никнейм*, имя пользователя, kullanıcı adı*, nama pengguna, "
            "tên người dùng, nombre de usuario, nome de usuário, اسم المستخدم, نام کاربری, यूज़रनेम"
        ),
    ),
    (
        LinkKind.NUMBER,
        words_of("numeric id, user id, player id, post id, comment id, uid, oyuncu id, id пользователя, id number"),
    ),
    (LinkKind.APP, words_of("app link*, deep link*, deeplink*, spotify uri, tg link*")),
    (
        LinkKind.TEXT,
        words_of("free text, any text, your text, свободный текст, serbest metin, texto libre, texto livre"),
    ),
)


@lru_cache(maxsize=4_096)
def guess_kind(*, service_type: str, category: str, name: str) -> LinkKind:
    """Return the kind of link that a service probably takes; an address where nothing says otherwise."""
    # Names of these types speak of what else is asked for, such as usernames or keywords.
    if service_type not in ("default", "package"):
        return LinkKind.ADDRESS
    words = plain_words(f"{category} | {name}")
    return next((kind for kind, wanted in _KIND_WORDS if holds(words, wanted)), LinkKind.ADDRESS)


@dataclass(frozen=True, slots=True)
class Target:
    """What a service is for. Empty where its names do not say, or say several things."""

    platforms: frozenset[str] = frozenset()
    what: What = What.OTHER


# A service that is for posts, such as likes, and one that is for profiles, such as followers.
_POST_WORDS = words_of(
    "like, likes, view, views, comment, comments, share, shares, save, saves, retweet*, repost*, "
    "reaction*, play, plays, stream, streams, impression*, watch time, watch hours, upvote*, "
    "лайк*, просмотр*, комментар*, репост*, реакци*, прослушиван*, beğeni*, izlenme*, yorum*, "
    "suka, tayangan, komentar, lượt xem, lượt thích, bình luận, curtida*, visualizaç*, comentário*, "
    "visualizacion*, me gusta, comentario*, لايك*, مشاهد*, تعليق*, إعجاب*, لایک, بازدید, लाइक*, व्यूज"
)
_PROFILE_WORDS = words_of(
    "follower*, subscriber*, member*, connections, подписчик*, участник*, takipçi*, abone*, üye*, "
    "pengikut, anggota, người theo dõi, seguidor*, inscrito*, suscriptor*, membro*, miembro*, "
    "متابع*, مشترك*, أعضاء, فالوور, دنبال کننده, फॉलोअर*, सब्सक्राइबर*"
)
# Words with which likes may be for a profile, or followers for something else.
_UNCLEAR_WORDS = words_of(
    "story, stories, live, auto*, last, page, pages, profile*, channel view*, account*, mention*, "
    "listener*, group*, playlist*, album*, bot, bots, boost*, review*, dm, message*, poll, package*, "
    "highlight*, viewer*, future, new post*, article*, event*, space*, premium, "
    "сторис*, истори*, эфир*, авто*, последн*, профил*, канал*, групп*, hikaye*, canlı, oto*, profil*, "
    "sayfa*, historia*, perfil*, página*, en vivo, ao vivo, cerita, siaran, ستوري, استوری, بث"
)


# Types of services for any site.
_FOR_SITES = ("seo", "web_traffic")


@lru_cache(maxsize=4_096)
def guess_target(*, service_type: str, category: str, name: str) -> Target:
    """Return the platforms that the names speak of, and whether the service is for a post or for a profile."""
    if service_type in _FOR_SITES:
        return Target()
    own = plain_words(name)
    is_post, is_profile = holds(own, _POST_WORDS), holds(own, _PROFILE_WORDS)
    what = What.OTHER
    if is_post != is_profile and not holds(own, _UNCLEAR_WORDS):
        what = What.POST if is_post else What.PROFILE
    return Target(guess_platforms(service_type=service_type, category=category, name=name), what)


def guess_platforms(*, service_type: str, category: str, name: str) -> frozenset[str]:
    """Return the platforms that the names of a service speak of; none for a service that is for any site."""
    if service_type in _FOR_SITES:
        return frozenset()
    # The name says more than the category, which may be "Instagram, Threads".
    return platforms_named(plain_words(name)) or platforms_named(plain_words(f"{category} | {name}"))
