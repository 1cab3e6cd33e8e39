"""Queue mails that tell an account what was changed in it, in the transaction of the change."""

from __future__ import annotations

from panel.accounts.models import AccountMail, User
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit

MAX_SUBJECT = 250


def queue_notice(*, user: User, recipient: str, subject: str, body: str) -> None:
    """Queue a mail about the account of `user`, as it is written now."""
    now = clock.now()
    AccountMail.objects.create(
        user=user,
        kind=AccountMail.Kind.NOTICE,
        recipient=recipient,
        subject=subject[:MAX_SUBJECT],
        body=body,
        created_at=now,
        mail_due_at=now,
    )
    hint_after_commit("panel.accounts.tasks.send_account_mails")
