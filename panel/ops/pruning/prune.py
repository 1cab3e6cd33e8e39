"""Delete what the settings no longer keep, so that the database grows with orders and not with what they left behind.

Nothing of orders that are open, in doubt or in review, no entry, no accepted attempt and no act of staff is deleted.
A batch is one short transaction. Whoever is killed loses one batch, which the next round repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from panel.ops.pruning.ended_orders import prune_answers, prune_events
from panel.ops.pruning.old_rows import (
    prune_alerts,
    prune_bank_lines,
    prune_calls,
    prune_compared_days,
    prune_deliveries,
    prune_drafts,
    prune_errors,
    prune_imports,
    prune_news,
    prune_news_mails,
    prune_notices,
    prune_sessions,
    prune_sign_ins,
    prune_spending,
    prune_visits,
)

log = structlog.get_logger(__name__)

ROUND_SECONDS = 60.0
# Between two batches others write: SQLite has one writer.
PAUSE_SECONDS = 0.05

# Each prunes one batch, and returns how many rows it pruned or None if nothing is left. The quick ones go first.
STEPS: tuple[Callable[[], int | None], ...] = (
    prune_alerts,
    prune_calls,
    prune_compared_days,
    prune_bank_lines,
    prune_deliveries,
    prune_errors,
    prune_imports,
    prune_spending,
    prune_drafts,
    prune_sessions,
    prune_sign_ins,
    prune_visits,
    prune_notices,
    prune_news,
    prune_news_mails,
    prune_answers,
    prune_events,
)


def prune(*, seconds: float = ROUND_SECONDS) -> int:
    """Prune for about `seconds`, and leave the rest to the next round. Return how many rows were pruned.

    An error in one step does not keep the others from pruning; it is raised at the end.
    """
    stop_at = time.monotonic() + seconds
    pruned, errors = 0, []
    for step in STEPS:
        try:
            while time.monotonic() < stop_at and (count := step()) is not None:
                pruned += count
                time.sleep(PAUSE_SECONDS)
        except Exception as error:
            log.exception("not pruned", step=step.__name__)
            errors.append(error)
    if pruned:
        log.info("pruned", rows=pruned)
    if errors:
        raise errors[0]
    return pruned
