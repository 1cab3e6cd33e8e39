"""Mails about news: planned for whoever chose them, and sent from a queue of rows.

A plan assigns each item to one mail, in one transaction. What a customer no longer wants when the mail is sent is left
out, so unsubscribing counts at once.
"""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import ngettext

from panel.alerts.causes import Cause
from panel.lib import clock
from panel.lib.bulk_sql import update_rows
from panel.lib.claims import lock_due
from panel.mail_queue import MailQueue
from panel.news.choices import Pace, choices_of, pace_of, token_of
from panel.news.models import NewsItem, NewsMail
from panel.news.words import NewsLine, line_of
from panel.site import registry as site
from panel.site.html_mail import look_of_mails
from panel.site.names import sender

# Items that one plan assigns, and lines in one mail; the page has all.
MAX_ITEMS = 2_000
MAX_LINES = 40
MAX_SUBJECT = 150


def plan_mails() -> int:
    """Plan a mail for each customer with items that are due. Return how many."""
    with transaction.atomic():
        items = lock_due(NewsItem.objects.all(), due="mail_at", limit=MAX_ITEMS)
        if not items:
            return 0
        now = clock.now()
        customers = sorted({item.customer_id for item in items})
        mails = NewsMail.objects.bulk_create(
            [NewsMail(customer_id=customer, created_at=now, mail_due_at=now) for customer in customers]
        )
        mail_of = {mail.customer_id: mail.pk for mail in mails}
        rows = [(item.pk, mail_of[item.customer_id], None) for item in items]
        update_rows(model=NewsItem, columns=("mail_id", "mail_at"), rows=rows)
    return len(mails)


def write_news_mail(mail: NewsMail, connection: BaseEmailBackend | None = None) -> EmailMessage | None:
    """Return the mail, None if the customer no longer wants any of it."""
    choice = choices_of([mail.customer_id]).get(mail.customer_id)
    items = NewsItem.objects.filter(mail=mail).order_by("-happened_at", "-pk")
    wanted = [item for item in items if pace_of(choice, item.kind) != Pace.NEVER]
    if not wanted:
        return None
    lines = [line_of(item) for item in wanted[:MAX_LINES]]
    unsubscribe = f"{settings.SITE_URL}{reverse('news_unsubscribe', args=[token_of(mail.customer_id)])}"
    context = {
        **look_of_mails(),
        "lines": lines,
        "further": len(wanted) - len(lines),
        "news_url": f"{settings.SITE_URL}{reverse('news')}",
        "choices_url": f"{settings.SITE_URL}{reverse('news_choices')}",
        "unsubscribe_url": unsubscribe,
    }
    message = EmailMultiAlternatives(
        from_email=sender(),
        subject=_subject(lines, len(wanted)),
        body=render_to_string("mail/news.txt", context),
        to=[mail.customer.email],
        connection=connection,
        headers={
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string("mail/news.html", context), "text/html")
    return message


def _subject(lines: list[NewsLine], count: int) -> str:
    panel = site.PANEL_NAME.value
    if count == 1:
        return f"{lines[0].text[:MAX_SUBJECT]} · {panel}"
    return ngettext("%(count)s piece of news · %(panel)s", "%(count)s pieces of news · %(panel)s", count) % {
        "count": f"{count:,}",
        "panel": panel,
    }


QUEUE = MailQueue(
    rows=lambda: NewsMail.objects.select_related("customer"),
    write=write_news_mail,
    unchanged=(),
    alert=Cause.NEWS_MAILS,
    unreachable="The mail server cannot be reached: customers get no mails about their orders and prices.",
    refused=lambda mail: f"News could not be mailed to customer {mail.customer_id}: the server refuses it.",
)
