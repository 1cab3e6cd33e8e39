"""What is sent to a provider for an order: the parameters of `add`, and the form as staff may see it. Pure."""

from __future__ import annotations

from typing import Any

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, dialect_of
from catalog.upstream.sending import SHOWN_KEY
from orders.checkout.validation import add_params
from orders.models import Order
from panel.lib.http.calls import host_of

# Characters of a value that are kept: comments may be a hundred thousand, and the order has them.
MAX_SHOWN = 500


def sent_params(*, order: Order, provider: Provider, request_id: str) -> dict[str, str]:
    """Return the parameters of `add` by their standard names. Raise ValueError if the request id takes one's place."""
    params = add_params(
        service_type=order.service_type,
        upstream_service_id=order.upstream_service_id,
        link=order.link,
        quantity=order.quantity,
        params=order.params,
    )
    parameter = provider.request_id_parameter
    if parameter in params:
        raise ValueError(f"{parameter} cannot be the parameter of request IDs")
    if parameter:
        params[parameter] = request_id
    return params


def shown_form(*, order: Order, provider: Provider, request_id: str) -> dict[str, Any] | None:
    """Return what `sent_params` become in the provider's dialect, without the key; None if they cannot be sent.

    {"host": …, "header": … or "", "fields": [[name, value], …]} with long values cut. It never raises: an order whose
    form cannot be shown must not stop those behind it.
    """
    try:
        dialect = dialect_of(provider)
        params = sent_params(order=order, provider=provider, request_id=request_id)
        form = dialect.form("add", params, api_key=SHOWN_KEY)
        headers = dialect.headers(api_key=SHOWN_KEY)
        host = host_of(dialect.address(provider.api_url, "add"))
    except (ProviderUnusable, ValueError, LookupError):
        return None
    return {
        "host": host,
        "header": "".join(f"{name}: {value}" for name, value in headers.items()),
        "fields": [[name, _cut(str(value))] for name, value in form.items()],
    }


def _cut(value: str) -> str:
    if len(value) <= MAX_SHOWN:
        return value
    return f"{value[:MAX_SHOWN]}… ({len(value):,} characters)"
