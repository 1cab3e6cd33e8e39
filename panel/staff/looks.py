"""Second looks: what was asked above a limit, and its confirmation by a second person, or alone by a sole owner.

    waiting → confirmed   carried out in the same transaction, once
            → declined    by the second person, or withdrawn by the person who asked
            → lapsed      nobody decided within MAX_AGE

Each decision is an update filtered on "waiting", so only one of several at once succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

import structlog
from allauth.mfa.models import Authenticator
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from panel.accounts.models import User
from panel.accounts.roles import OWNER
from panel.lib import clock
from panel.lib.formats import moment_text
from panel.staff.acts import ActRefused, acts
from panel.staff.deeds import MAX_NOTE, AboveLimit, Why
from panel.staff.kinds import LIMITS, Kind
from panel.staff.limits import count_moved, left_alone, role_of
from panel.staff.models import SecondLook

log = structlog.get_logger(__name__)

MAX_AGE = timedelta(days=7)
# Before a sole owner may confirm alone, so that the owner of a stolen session reads the mail first.
ALONE_AFTER = timedelta(hours=1)
MAX_TEXT = 500
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


class LookRefused(Exception):
    """The look is unchanged and nothing moved. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask a second person for, should the act be above the limit of the first.

    `text` says what will happen. `request_key` is the same for the same form; with the person and `params` it makes a
    double click ask once, and a corrected form anew.
    """

    act: str
    about: Model
    text: str
    params: Mapping[str, Any]
    request_key: str
    customer_id: int | None = None


class Standing(StrEnum):
    """What a person may do with a waiting look."""

    MAY = "may"  # confirm as the second person
    ALONE = "alone"  # confirm as a sole owner, with a second factor
    NOT = "not"


# -- asking ------------------------------------------------------------------------------------------


def act_or_ask(*, act: Callable[[], str], asked: Asked, actor: User, why: Why) -> str:
    """Return what `act` did, or, if it is above the actor's limit, that it waits for a second person."""
    try:
        return act()
    except AboveLimit as above:
        look = ask_second_look(asked=asked, kind=above.kind, amount=above.amount, actor=actor, why=why)
        return waiting_sentence(look=look, above=str(above))


def ask_second_look(*, asked: Asked, kind: str, amount: int, actor: User, why: Why) -> SecondLook:
    """Store what waits for a second person, with a mail to those who may confirm it; once for the same request."""
    now = clock.now()
    parts = [asked.request_key, actor.pk, amount, asked.params]
    key = sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    waiting = SecondLook.objects.filter(request_key=key, state=SecondLook.State.WAITING)
    if earlier := waiting.first():
        return earlier
    try:
        with transaction.atomic():
            look = SecondLook.objects.create(
                act=asked.act,
                kind=kind,
                model=asked.about._meta.label_lower,
                object_id=asked.about.pk,
                customer_id=asked.customer_id,
                amount=amount,
                params=dict(asked.params),
                text=asked.text[:MAX_TEXT],
                reason=why.reason,
                note=why.note[:MAX_NOTE],
                request_key=key,
                asked_by=actor,
                asked_at=now,
                not_before=now + ALONE_AFTER,
                mail_due_at=now,
            )
    except IntegrityError:
        return waiting.get()  # A double click was faster.
    log.info("second look asked", look=look.pk, act=look.act, amount=amount, actor=actor.pk)
    return look


def waiting_sentence(*, look: SecondLook, above: str) -> str:
    """Return what happens next, for the person who asked."""
    if confirmers_of(look):
        return f"{above} Nothing moved: it waits for a second person, under “Second looks”."
    return (
        f"{above} Nothing moved. Nobody else could confirm it, so you can, from {moment_text(look.not_before)} on, "
        "with a code of your second factor, under “Second looks”. You get a mail."
    )


# -- who may confirm ---------------------------------------------------------------------------------


def can_confirm(*, user: User, look: SecondLook) -> bool:
    """Return True if the person could be the second one: with the same right, within what they may move alone now.

    Owners confirm any amount. Nobody confirms what they asked for, or what is for their own account.
    """
    if not (user.is_active and user.is_staff) or user.pk in (look.asked_by_id, look.customer_id):
        return False
    if not user.has_perms(("staff.change_secondlook", acts()[look.act].permission)):
        return False
    if role_of(user) == OWNER:
        return True
    return look.kind != LIMITS and abs(look.amount) <= left_alone(user=user, kind=Kind(look.kind))


def confirmers_of(look: SecondLook) -> list[User]:
    """Return the people who could confirm it as the second person."""
    staff = User.objects.filter(is_active=True, is_staff=True).exclude(pk__in=(look.asked_by_id, look.customer_id or 0))
    return [user for user in staff.order_by("pk") if can_confirm(user=user, look=look)]


def standing_of(*, user: User, look: SecondLook) -> tuple[Standing, str]:
    """Return what the person may do with it now, and why not if they may do nothing."""
    if look.state != SecondLook.State.WAITING:
        return Standing.NOT, f"It is {look.get_state_display().lower()} already."
    if clock.now() >= look.asked_at + MAX_AGE:
        return Standing.NOT, "It lapsed, because nobody decided about it in time. Ask for it again."
    if user.pk != look.asked_by_id:
        if can_confirm(user=user, look=look):
            return Standing.MAY, ""
        return Standing.NOT, "It is above what you may confirm, or for your own account: an owner has to look at it."
    if not (user.has_perm(acts()[look.act].permission) and role_of(user) == OWNER):
        return Standing.NOT, "You asked for it yourself: somebody else has to confirm it."
    if others := confirmers_of(look):
        names = ", ".join(one.email for one in others[:3])
        return Standing.NOT, f"You asked for it yourself, so somebody else has to confirm it: {names}."
    begins = alone_from(user=user, look=look)
    if begins is None:
        return Standing.NOT, (
            "Nobody else could confirm it. To confirm it alone, first set up a second factor under Account, Security; "
            "you can confirm an hour after that."
        )
    if clock.now() < begins:
        return Standing.NOT, f"Nobody else could confirm it. You can, from {moment_text(begins)} on."
    return Standing.ALONE, ""


def alone_from(*, user: User, look: SecondLook) -> datetime | None:
    """Return when a sole owner may confirm it, None without a second factor.

    Factors and recovery codes that are newer than the look must wait as long: whoever stole the session could have made
    them.
    """
    made = dict(Authenticator.objects.filter(user=user, type__in=_FACTORS).values_list("type", "created_at"))
    if Authenticator.Type.TOTP not in made:
        return None
    return max(look.not_before, *(one + ALONE_AFTER for one in made.values()))


# -- deciding ----------------------------------------------------------------------------------------


def confirm_look(*, look: SecondLook, actor: User, has_code: bool = False) -> str:
    """Carry out what was asked, once, and return what was done. Raise LookRefused, and then nothing moved.

    `has_code`: the actor just proved a second factor, which a sole owner needs.
    """
    standing, why_not = standing_of(user=actor, look=look)
    if standing == Standing.NOT:
        raise LookRefused(why_not)
    is_alone = standing == Standing.ALONE
    if is_alone and not has_code:
        raise LookRefused("It takes a code of your second factor.")
    try:
        with transaction.atomic():
            now = clock.now()
            values = {"decided_by": actor, "decided_at": now, "is_alone": is_alone}
            # In the transaction of the act: a second confirmer waits here, and then finds it decided.
            if not _waiting(look).update(state=SecondLook.State.CONFIRMED, **values):
                raise LookRefused("Somebody decided about it meanwhile.")
            _count_confirmer(actor, look, is_alone=is_alone)
            decided = SecondLook.objects.select_related("asked_by", "decided_by").get(pk=look.pk)
            asker = decided.asked_by
            if not (asker.is_active and asker.is_staff and asker.has_perm(acts()[decided.act].permission)):
                raise LookRefused(f"{asker} may not do this any more. Decline it.")
            why = Why(decided.reason, decided.note, decided)
            done = acts()[decided.act].run(decided, why)
            SecondLook.objects.filter(pk=look.pk).update(result=done[:MAX_TEXT])
    except ActRefused as error:
        raise LookRefused(f"{error} Nothing moved. Decline it if it is of no use any more.") from error
    log.info("second look confirmed", look=look.pk, actor=actor.pk, alone=is_alone)
    return done


def decline_look(*, look: SecondLook, note: str, actor: User) -> None:
    """Close the look without the act: by the person who asked, or by one who holds its right. Raise LookRefused."""
    if actor.pk != look.asked_by_id and not actor.has_perm(acts()[look.act].permission):
        raise LookRefused("This takes the right to do it yourself.")
    values = {"decided_by": actor, "decided_at": clock.now(), "result": note[:MAX_TEXT], "mail_due_at": None}
    if not _waiting(look).update(state=SecondLook.State.DECLINED, **values):
        raise LookRefused("Somebody decided about it meanwhile.")


def lapse_looks() -> int:
    """Close the looks that nobody decided about in time. Return how many."""
    old = SecondLook.objects.filter(state=SecondLook.State.WAITING, asked_at__lte=clock.now() - MAX_AGE)
    return old.update(state=SecondLook.State.LAPSED, mail_due_at=None)


def _waiting(look: SecondLook) -> QuerySet[SecondLook]:
    since = clock.now() - MAX_AGE
    return SecondLook.objects.filter(pk=look.pk, state=SecondLook.State.WAITING, asked_at__gt=since)


def _count_confirmer(actor: User, look: SecondLook, *, is_alone: bool) -> None:
    """Count the amount on the second person's day: two people with small limits must not add up to a large one."""
    if is_alone or look.kind == LIMITS or role_of(actor) == OWNER:
        return
    if above := count_moved(user=actor, kind=Kind(look.kind), amount=abs(look.amount)):
        raise LookRefused(f"{above} An owner has to confirm it.")
