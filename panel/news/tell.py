"""One round: collect what happened, plan the mails that are due, and send them."""

from __future__ import annotations

from panel.mail_queue import MAX_ROUND, send_due
from panel.news.collect import collect_news
from panel.news.mails import QUEUE, plan_mails

# The mails of each day are all due at once: a round sends several batches of them.
BATCHES = 6


def tell_customers() -> int:
    """Return how many items were written."""
    written = collect_news()
    plan_mails()
    for _ in range(BATCHES):
        if send_due(QUEUE) < MAX_ROUND:
            break
    return written
