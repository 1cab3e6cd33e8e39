"""Notes that staff write about customers."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from panel.accounts.models import CustomerNote, User
from panel.activity.record import record


class NoteRefused(Exception):
    """The note was not written. The message is for staff."""


def write_note(*, customer: User, author: User, text: str, request_key: str) -> bool:
    """Write a note. Return False if this form wrote it before. Raise NoteRefused once the account is closed.

    The account is locked, as by its closing, after which nothing says who the customer was. The activity says that
    there is a note, but not what it says: it is kept for good.
    """
    try:
        with transaction.atomic():
            if not User.objects.select_for_update().filter(pk=customer.pk, closed_at=None).exists():
                raise NoteRefused("The account was closed. Nothing was written.")
            note = CustomerNote.objects.create(customer=customer, author=author, text=text, request_key=request_key)
            record(actor_id=author.pk, objects=[customer], message=f"{note} was written.")
    except IntegrityError:
        if not CustomerNote.objects.filter(customer=customer, request_key=request_key).exists():
            raise
        return False
    return True
