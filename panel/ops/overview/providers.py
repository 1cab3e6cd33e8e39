"""The table of providers on the overview."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from catalog.models import Provider
from catalog.provider_health import runway_days
from orders.admin.sending import may_resume
from orders.models import SendingStop
from orders.states import RESTORE_STOPS
from orders.templatetags.sending import page_of_stop
from panel.accounts.models import User
from panel.accounts.rights import SEE_COSTS
from panel.lib.admin.base import shown_money
from panel.ops.overview.picture import Picture
from panel.ops.overview.states import ProviderState, state_of, unexplained_at

# Days; a longer runway is told as "over a year".
_LONG = 365


@dataclass(frozen=True, slots=True)
class Row:
    """One provider. Texts about money are "" for those who may not see costs; `resume` is "" unless they may."""

    provider: Provider
    state: ProviderState
    why: str
    balance: str
    runway: str
    unexplained: str
    unsent: int
    open: int
    resume: str
    resume_word: str


def provider_rows(picture: Picture, user: User) -> list[Row]:
    """Return the active providers, those that take no orders first."""
    rows = [_row(one, picture, user) for one in picture.providers]
    return sorted(rows, key=lambda row: (-row.state.colour, row.provider.name))


def _row(provider: Provider, picture: Picture, user: User) -> Row:
    state, sees_costs = state_of(provider, picture), picture.may(SEE_COSTS)
    resume, word = _resume(provider, picture, user)
    waits, followed = picture.unsent.get(provider.pk), picture.backlog.get(provider.pk)
    return Row(
        provider=provider,
        state=state,
        # The provider's words may tell a cost.
        why=state.why if sees_costs or not provider.pause_count else "",
        balance=shown_money(provider.balance, provider.currency) if sees_costs else "",
        runway=_runway(provider) if sees_costs else "",
        unexplained=unexplained_at(provider, picture),
        unsent=waits.count if waits else 0,
        open=followed.open if followed else 0,
        resume=resume,
        resume_word=word,
    )


def _runway(provider: Provider) -> str:
    days = runway_days(provider)
    if days is None:
        return "—"
    if days < 1:
        return "under a day"
    if days > _LONG:
        return "over a year"
    return "1 day" if days == 1 else f"{days} days"


def _resume(provider: Provider, picture: Picture, user: User) -> tuple[str, str]:
    """Return the page on which this person ends the stop or the pause, and the word for it."""
    stops = [one for one in picture.stops if one.provider_id == provider.pk]
    for stop in stops:
        if may_resume(user, stop):
            return reverse("admin:orders_sendingstop_resume", args=[stop.pk]), "Resume"
    if stops:
        return _after_restore(stops[0], user)
    if provider.pause_count and picture.may("catalog.change_provider"):
        return reverse("admin:catalog_provider_resume", args=[provider.pk]), "Resume"
    return "", ""


def _after_restore(stop: SendingStop, user: User) -> tuple[str, str]:
    if stop.reason in RESTORE_STOPS and user.has_perm("catalog.connect_provider"):
        return page_of_stop(stop, user), "After the restore"
    return "", ""
