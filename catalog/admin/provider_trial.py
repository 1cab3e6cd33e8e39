"""The test page of a provider: what a trial asked, what came and how it was read, with settings to take over."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import structlog
from django.contrib import admin, messages
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from catalog.admin.dialect_form import PREFIX, DialectFields, shown_setting
from catalog.admin.shared import admin_badge
from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable
from catalog.trial.readings import Mood
from catalog.trial.run import (
    MAX_SECONDS,
    Exchange,
    Proposal,
    ProposalOutdated,
    Step,
    Trial,
    run_trial,
    take_proposals,
)
from catalog.upstream.dialect import DialectError

log = structlog.get_logger(__name__)

# Seconds between two trials of a provider, and for which what one proposed may be taken over.
PAUSE = int(MAX_SECONDS)
_MAX_AGE = 3_600
_SALT = "catalog.trial"
_BADGES: dict[Mood, tuple[str, str]] = {
    "success": ("check_circle", "Understood"),
    "warning": ("help", "Look at this"),
    "danger": ("error", "Not understood"),
}
# How a proposal is worded, by its setting.
_REASONS = {
    "names": "It wants these names for parameters.",
    "key_header": "It takes the key from this header.",
    "get_actions": "It answers these by GET; what it answers to POST is not understood.",
    "asks_singly": "It answers about one order, but not about a list.",
    "any_case": "It writes names such as “Status” with other capitals than the standard.",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the panel knows for a trial: ids at the provider, "" if there are none, and texts that refused orders."""

    order_id: str = ""
    refill_id: str = ""
    refusals: tuple[str, ...] = ()


def trial_page(*, request: HttpRequest, model_admin: Any, provider: Provider, known: Known) -> HttpResponse:
    """Show the page. As POST: take over a proposal, or run a trial and show what it found."""
    here = request.path
    if request.method == "POST" and "proposals" in request.POST:
        _take(request, model_admin, provider, request.POST["proposals"])
        return redirect(here)
    trial: Trial | None = None
    refusal = ""
    if request.method == "POST":
        if _may_run(provider):
            try:
                trial = run_trial(
                    provider=provider, order_id=known.order_id, refill_id=known.refill_id, refusals=known.refusals
                )
            except ProviderUnusable as error:
                refusal = str(error)
        else:
            refusal = f"It was tested a moment ago. Wait {PAUSE} seconds before the next test."
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    context = {
        **admin.site.each_context(request),
        "title": f"Test how {provider} speaks",
        "provider": provider,
        "original": provider,
        "opts": Provider._meta,
        "back": page,
        "trial": trial,
        "refusal": refusal,
        "seconds": int(MAX_SECONDS),
        "known": known,
        "steps": [_shown_step(step) for step in trial.steps] if trial else [],
        "proposals": [_shown_proposal(provider, one) for one in trial.proposals] if trial else [],
        "all_signed": _signed(provider, trial.proposals) if trial and len(trial.proposals) > 1 else "",
    }
    return TemplateResponse(request, "admin/catalog/provider_trial.html", context)


def _may_run(provider: Provider) -> bool:
    """Return True if no trial of the provider ran within the pause. A cache that is down limits nothing."""
    try:
        return cache.add(_counted(provider), 1, PAUSE)
    except Exception as error:
        log.warning("trial not limited", error=repr(error))
        return True


def _counted(provider: Provider) -> str:
    return f"provider-trial:{provider.pk}"


def _take(request: HttpRequest, model_admin: Any, provider: Provider, signed: str) -> None:
    """Store proposals that this page made, and tell what came of it."""
    try:
        values = signing.loads(signed, salt=_SALT, max_age=_MAX_AGE)
        if values["provider"] != provider.pk:
            raise signing.BadSignature
        proposals = [Proposal(**one) for one in values["proposals"]]
        take_proposals(provider=provider, proposals=proposals)
    except (signing.BadSignature, ProposalOutdated):
        messages.error(request, "This setting was changed since the test, or the test is too old. Run it again.")
    except DialectError as error:
        messages.error(request, f"It does not fit the other settings: {error}")
    else:
        done = "; ".join(f"{_label(one.setting)}: {shown_setting(one.value)}" for one in proposals) + "."
        with contextlib.suppress(Exception):  # The cache may be down.
            cache.delete(_counted(provider))
        model_admin.log_change(request, provider, f"Taken over from a test. {done}")
        messages.success(request, f"Saved. {done} Run the test again to see whether all is understood.")


def _shown_proposal(provider: Provider, proposal: Proposal) -> dict[str, Any]:
    return {
        "label": _label(proposal.setting),
        "reason": _REASONS.get(proposal.setting, ""),
        "before": shown_setting(proposal.seen),
        "after": shown_setting(proposal.value),
        "signed": _signed(provider, [proposal]),
    }


def _signed(provider: Provider, proposals: Sequence[Proposal]) -> str:
    values = {"provider": provider.pk, "proposals": [asdict(one) for one in proposals]}
    return signing.dumps(values, salt=_SALT)


def _label(setting: str) -> str:
    return str(DialectFields.base_fields[PREFIX + setting].label)


def _shown_step(step: Step) -> dict[str, Any]:
    icon, words = _BADGES[step.reading.mood]
    return {
        "title": step.title,
        "tried": step.tried,
        "badge": admin_badge(step.reading.mood, icon, words),
        "reading": step.reading.text,
        "exchanges": [_shown_exchange(one) for one in step.exchanges],
    }


def _shown_exchange(exchange: Exchange) -> dict[str, Any]:
    sent, evidence = exchange.sent, exchange.evidence
    # Not encoded twice: "[key]" shall be read as such.
    params = urlencode(sent.params, safe="[],/: ")
    lines = [f"{sent.method} {sent.address}{'?' + params if sent.method == 'GET' else ''}"]
    lines += [sent.header] if sent.header else []
    lines += [params] if sent.method == "POST" else []
    status = f"HTTP {evidence.http_status}" if evidence.http_status else "No answer"
    return {
        "sent": "\n".join(lines),
        "status": status,
        "took": f"{evidence.elapsed_ms / 1000:.1f} s",
        "came": evidence.body_excerpt,
        "redirect": evidence.redirect,
    }
