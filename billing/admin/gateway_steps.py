"""What is done and what is left until a gateway brings money, each by a fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import urlsplit

from django.conf import settings

from billing.intake.credentials import missing_of
from billing.intake.gateways import Gateway
from billing.models import GatewayCall, Payment, PaymentMethod
from panel.deploy_checks import is_public


class Standing(Enum):
    """How a step stands: its class, icon and word."""

    DONE = ("is-fine", "check_circle", "Done")
    LOOK = ("is-look", "warning", "Look at it")
    BROKEN = ("is-broken", "error", "Does not work")
    OPEN = ("is-open", "radio_button_unchecked", "To do")

    def __init__(self, slug: str, icon: str, word: str) -> None:
        self.slug, self.icon, self.word = slug, icon, word


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list. `words` say why it stands so, and what to do; `at` is when it last happened."""

    name: str
    title: str
    standing: Standing
    words: str
    at: datetime | None = None

    @property
    def is_done(self) -> bool:
        return self.standing is Standing.DONE


def set_up_steps(*, method: PaymentMethod, gateway: Gateway, stored: Mapping[str, str]) -> list[Step]:
    """Return the steps in their order. `stored` are the credentials that can be read. Asks no gateway."""
    missing = missing_of(gateway, stored)
    return [
        _credentials(missing),
        _connection(method, is_ready=not missing),
        _calls(method),
        _payment(method),
        _offer(method, is_ready=not missing),
    ]


def site_problem() -> str:
    """Return why no gateway on the internet can call this panel, "" if one can."""
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme == "https" and is_public(parts.hostname or ""):
        return ""
    return (
        f"SITE_URL is {settings.SITE_URL}: a gateway on the internet cannot call it. Without calls, payments are found "
        "by asking, within 15 minutes."
    )


def _credentials(missing: list[str]) -> Step:
    title = "Credentials stored"
    if missing:
        return Step("credentials", title, Standing.OPEN, f"Missing: {', '.join(missing)}.")
    return Step("credentials", title, Standing.DONE, "They are encrypted. What is secret is never shown again.")


def _connection(method: PaymentMethod, *, is_ready: bool) -> Step:
    title = "Connection tested"
    if method.last_error:
        return Step("connection", title, Standing.BROKEN, f"It failed: {method.last_error}")
    if method.reached_at:
        return Step("connection", title, Standing.DONE, "It answered to these credentials.", method.reached_at)
    words = "Ask it whether it takes these credentials. Nothing is created." if is_ready else "First its credentials."
    return Step("connection", title, Standing.OPEN, words)


def _calls(method: PaymentMethod) -> Step:
    title, calls = "Its calls arrive", GatewayCall.objects.filter(method=method)
    genuine, last = calls.filter(is_genuine=True).first(), calls.first()
    if last and not last.is_genuine:
        words = f"The last call was refused: {last.problem} Is the secret the same on both sides?"
        return Step("calls", title, Standing.LOOK if genuine else Standing.BROKEN, words, last.received_at)
    if genuine:
        return Step("calls", title, Standing.DONE, "The last one was genuine.", genuine.received_at)
    if problem := site_problem():
        return Step("calls", title, Standing.LOOK, problem)
    return Step("calls", title, Standing.OPEN, "None came yet.")


def _payment(method: PaymentMethod) -> Step:
    title, payments = "First payment credited", Payment.objects.filter(method=method)
    first = payments.filter(credited__gt=0).order_by("credited_at").first()
    if first:
        return Step("payment", title, Standing.DONE, "It brings money.", first.credited_at)
    if method.is_sandbox:
        words = "A sandbox credits nothing. Try everything there, then store the credentials of the real account."
    elif payments.exists():
        words = "A payment came in and is not credited yet. Look at it under Payments."
    else:
        words = "Pay a small amount as a customer of your own, and see it arrive in the wallet."
    return Step("payment", title, Standing.OPEN, words)


def _offer(method: PaymentMethod, *, is_ready: bool) -> Step:
    title = "Offered to customers"
    if not method.is_active:
        return Step("offer", title, Standing.OPEN, "Check “Offered” on the page of the payment method.")
    if not is_ready:
        return Step("offer", title, Standing.OPEN, "Customers see it as soon as its credentials are stored.")
    if method.is_sandbox:
        return Step("offer", title, Standing.LOOK, "Customers can choose it, and nothing that they pay is credited.")
    if method.last_error:
        return Step("offer", title, Standing.LOOK, "Customers can choose it, although its connection does not work.")
    return Step("offer", title, Standing.DONE, "Customers can choose it.")
