"""What a person is asked before an order that may not be what they mean. Nothing here refuses an order. Pure.

Programs are not asked: they could not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2s

from django.utils.translation import gettext as _

from catalog.models import Service
from catalog.service_types import SPECS
from panel.lib.links.places import What, read_place
from panel.lib.links.platforms import PLATFORMS
from panel.lib.links.texts import trim

# Parameters whose lines people separate by commas.
_BY_COMMAS = ("usernames", "hashtags")
# What some programs write for a new line.
_WRITTEN_LINE_END = "\\n"


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on what is typed. A question needs a yes; `split` names the parameter that may mean more lines.

    One that `is_about_link` is asked at the link.
    """

    text: str
    is_question: bool = False
    split: str = ""
    is_about_link: bool = False


def link_question(*, service: Service, link: str) -> str:
    """Return why the link may be the wrong one for the service, for the customer; "" if nothing speaks for that."""
    link = trim(link)
    place, target = read_place(link), service.target
    if place.platform and target.platforms and place.platform not in target.platforms:
        others = _(" or ").join(sorted(PLATFORMS[name].label for name in target.platforms))
        text = _("This link leads to %(platform)s; the service is for %(others)s.")
        return text % {"platform": PLATFORMS[place.platform].label, "others": others}
    if place.what is What.POST and target.what is What.PROFILE:
        return _("This link leads to a post or video; the service is for a profile or channel.")
    if place.what is What.PROFILE and target.what is What.POST:
        return _("This link leads to a profile or channel; the service is for a post or video.")
    if link.startswith("@") and target.what is What.POST:
        return _("This is a name; the service is for a post or video.")
    return ""


def remarks_about(*, service: Service, link: str, params: Mapping[str, str]) -> list[Remark]:
    """Return the remarks about an order as it is typed, questions first. `params` are those of the service's type."""
    found = []
    if text := link_question(service=service, link=link):
        found.append(Remark(text, is_question=True, is_about_link=True))
    for param in SPECS[service.type].params:
        found.extend(_about_lines(param.name, params.get(param.name, "")))
    return sorted(found, key=lambda remark: not remark.is_question)


def _about_lines(name: str, text: str) -> Iterator[Remark]:
    lines = _lines(text)
    if name == "comments":
        if _WRITTEN_LINE_END in text:
            then = len(split_lines(name=name, text=text).splitlines())
            yield Remark(_written_line_ends(len(lines), then), is_question=True, split=name)
        barred = next((number for number, line in enumerate(lines, start=1) if " | " in line), None)
        if barred is not None:
            words = _("Line %(number)s holds “ | ”: some providers begin another comment there.")
            yield Remark(words % {"number": barred})
    if name in _BY_COMMAS and any(len(_parts(line)) > 1 for line in lines):
        count = sum(len(_parts(line)) for line in lines)
        words = _("Is this %(count)s usernames? Write one on each line.")
        if name == "hashtags":
            words = _("Is this %(count)s hashtags? Write one on each line.")
        yield Remark(words % {"count": f"{count:,}"}, is_question=True, split=name)


def _written_line_ends(now: int, then: int) -> str:
    mark, count = _WRITTEN_LINE_END, f"{then:,}"
    if now == 1:
        return _("“%(mark)s” begins no new line. Is this one comment, or %(then)s?") % {"mark": mark, "then": count}
    text = _("“%(mark)s” begins no new line. Are these %(now)s comments, or %(then)s?")
    return text % {"mark": mark, "now": f"{now:,}", "then": count}


def split_lines(*, name: str, text: str) -> str:
    """Return the lines of a parameter as its question takes them to be meant: one comment or name on each."""
    if name == "comments":
        text = text.replace("\\r\\n", "\n").replace(_WRITTEN_LINE_END, "\n")
        return "\n".join(_lines(text))
    return "\n".join(part for line in _lines(text) for part in _parts(line))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _parts(line: str) -> list[str]:
    return [part.strip() for part in line.split(",") if part.strip()]


def key_of_questions(*, remarks: list[Remark], about: str) -> str:
    """Return what a form sends back as the yes to these questions, about this link; "" if nothing is asked."""
    asked = [remark.text for remark in remarks if remark.is_question]
    return blake2s("\n".join((*asked, about)).encode("utf-8", "replace"), digest_size=8).hexdigest() if asked else ""
