"""Mails as HTML with the panel's name and look, made from their text: both say the same.

Only addresses of the panel itself become links. A text may hold what strangers wrote, such as the name of a browser.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from panel.site import registry
from panel.site.accent import look_of

# A word that stands alone is shown large if it may be a code to type.
_SHORTEST_CODE, _LONGEST_CODE = 4, 12


@dataclass(frozen=True, slots=True)
class Paragraph:
    html: SafeString
    is_code: bool = False


def look_of_mails() -> dict[str, object]:
    """Return what the frame of each mail shows: name, logo and colors."""
    look = look_of(registry.PANEL_ACCENT.value)
    logo = registry.PANEL_LOGO.url
    return {
        "panel_name": registry.PANEL_NAME.value,
        "logo_url": f"{settings.SITE_URL}{logo}" if logo.startswith("/") else logo,
        "site_url": settings.SITE_URL,
        "look": look,
    }


def dress(message: EmailMessage) -> EmailMessage:
    """Return the mail with its text as HTML beside it, in the panel's look."""
    dressed = EmailMultiAlternatives(
        subject=message.subject,
        body=message.body,
        from_email=message.from_email,
        to=message.to,
        connection=message.connection,
        headers=message.extra_headers,
    )
    context = {**look_of_mails(), "subject": message.subject, "paragraphs": paragraphs_of(str(message.body))}
    dressed.attach_alternative(render_to_string("mail/text.html", context), "text/html")
    return dressed


def paragraphs_of(text: str) -> list[Paragraph]:
    """Return the paragraphs of a mail's text, which blank lines separate."""
    blocks: list[list[str]] = [[]]
    for line in text.strip().splitlines():
        if line.strip():
            blocks[-1].append(line.strip())
        elif blocks[-1]:
            blocks.append([])
    return [Paragraph(_lines(block), _is_code(block)) for block in blocks if block]


def _lines(block: list[str]) -> SafeString:
    return format_html_join(mark_safe("<br>"), "{}", ((_words(line),) for line in block))


def _words(line: str) -> SafeString:
    return format_html_join(" ", "{}", ((_word(word),) for word in line.split(" ")))


def _word(word: str) -> SafeString:
    address = word.rstrip(".,;:!?)")
    if address != settings.SITE_URL and not address.startswith(f"{settings.SITE_URL}/"):
        return conditional_escape(word)
    return format_html('<a class="link" href="{0}">{0}</a>{1}', address, word[len(address) :])


def _is_code(block: list[str]) -> bool:
    word = block[0]
    is_short = _SHORTEST_CODE <= len(word) <= _LONGEST_CODE
    return len(block) == 1 and is_short and word.isascii() and word.replace("-", "").isalnum() and word.isupper()
