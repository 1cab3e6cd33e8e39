"""Words that mean the same in a search: short names of platforms, and what people want, in their languages. Pure.

Each line is one meaning. The owner adds lines in the setting SEARCH_WORDS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from catalog.search.words import words_of

# Words of one meaning that a line, and of one phrase that a search, may have.
MAX_WORDS = 40
MAX_PHRASE = 3
# Letters from which on a beginning of a word stands for it.
MIN_BEGINNING = 4

_LINES = """
instagram, insta, ig, инстаграм, инста, انستقرام, انستا, اینستاگرام, इंस्टाग्राम
tiktok, tik tok, tt, тикток, тик ток, تيك توك, تیک تاک, टिकटॉक
youtube, you tube, yt, ютуб, يوتيوب, یوتیوب, यूट्यूब
facebook, fb, face book, фейсбук, فيسبوك, فیسبوک, फेसबुक
twitter, x, твиттер, تويتر
telegram, tg, телеграм, телега, تلجرام, تليجرام, تلگرام, टेलीग्राम
spotify, спотифай
soundcloud, sound cloud
linkedin, linked in
twitch, твич
whatsapp, whats app, wa, вотсап, ватсап, واتساب
snapchat, snap
discord, dc, дискорд
pinterest, пинтерест
vk, vkontakte, вк, вконтакте
followers, follower, follows, subscribers, subs, takipçi, abone, seguidores, suscriptores, inscritos, подписчики, подписчиков, фолловеры, abonnés, iscritti, pengikut, người theo dõi, متابعين, متابعون, مشتركين, فالوور, دنبال کننده, फॉलोअर्स, सब्सक्राइबर
likes, like, beğeni, begeni, me gusta, curtidas, лайки, лайков, лайк, j'aime, mi piace, suka, lượt thích, لايكات, لايك, إعجاب, لایک, लाइक
views, view, izlenme, görüntülenme, vistas, visualizaciones, visualizações, просмотры, просмотров, vues, visualizzazioni, tayangan, lượt xem, مشاهدات, بازدید, व्यूज
comments, comment, yorum, comentarios, comentários, комментарии, комментариев, commentaires, commenti, komentar, bình luận, تعليقات, کامنت
shares, share, reposts, retweets, paylaşım, compartidos, compartilhamentos, репосты, partages, مشاركات
members, member, üye, miembros, membros, участники, участников, membres, anggota, thành viên, أعضاء, اعضا
plays, streams, listens, dinlenme, reproducciones, reproduções, прослушивания, écoutes
reactions, reaction, tepki, reacciones, reações, реакции, تفاعلات
watch time, watch hours, izlenme saati, часы просмотра, horas de visualización
story, stories, hikaye, historia, historias, сторис, истории
saves, save, kaydetme, guardados, salvamentos, сохранения
traffic, visitors, trafik, tráfico, tráfego, трафик, زيارات
"""  # noqa: E501  (one meaning a line)

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Synonyms:
    """For each word of a meaning, the other phrases of it. `vocabulary`: the single words, in order."""

    others: Mapping[str, frozenset[Phrase]]
    phrases: Mapping[Phrase, frozenset[Phrase]]
    vocabulary: tuple[str, ...]

    def beginning_with(self, start: str) -> frozenset[Phrase]:
        """Return the other phrases of a word, or, for a start that is long enough, of all words that begin so."""
        if start in self.others:
            return self.others[start]
        if len(start) < MIN_BEGINNING:
            return frozenset()
        return frozenset().union(*(self.others[word] for word in self.vocabulary if word.startswith(start)))


def _read(line: str) -> set[Phrase]:
    phrases = (tuple(words_of(phrase, most=MAX_PHRASE)) for phrase in line.split(",")[:MAX_WORDS])
    return {phrase for phrase in phrases if phrase}


@lru_cache(maxsize=2)
def synonyms_with(own: Iterable[tuple[str, ...]]) -> Synonyms:
    """Return the words of this module, with the owner's `own` lines: each a tuple of phrases that mean the same.

    Lines that share a phrase are one meaning.
    """
    meanings: list[set[Phrase]] = []
    for line in (*_LINES.strip().splitlines(), *(",".join(phrases) for phrases in own)):
        found = _read(line)
        apart = []
        for meaning in meanings:
            if meaning & found:
                found |= meaning
            else:
                apart.append(meaning)
        meanings = [*apart, found]
    phrases = {phrase: frozenset(meaning - {phrase}) for meaning in meanings for phrase in meaning}
    others = {phrase[0]: rest for phrase, rest in phrases.items() if len(phrase) == 1}
    return Synonyms(others, phrases, tuple(sorted(others)))
