"""Changing margins and exchange rates: the row and every price that follows from it, in one transaction."""

from __future__ import annotations

from django.db import transaction

from catalog.models import PricePolicy, Provider, Service
from catalog.pricing import locked_policy, reprice


def save_policy(*, policy: PricePolicy) -> int:
    """Saves the panel's margin and reprices everything; returns how many prices changed."""
    with transaction.atomic():
        policy.save()
        return reprice(services=Service.objects.all())


def save_provider(*, provider: Provider) -> int:
    """Saves a provider and reprices what it delivers; returns how many prices changed."""
    with transaction.atomic():
        provider.save()
        return reprice(services=Service.objects.filter(upstream__provider=provider))


def save_service(*, service: Service) -> None:
    """Saves a service and reprices it. One without a valid price goes off sale."""
    with transaction.atomic():
        locked_policy()  # Before the service's own row, as repricing does: the other way is a deadlock.
        wanted = service.is_on_sale
        service.is_on_sale = False  # Until it has its price, the database would not hold it on sale.
        service.save()
        reprice(services=Service.objects.filter(pk=service.pk))
        service.refresh_from_db()
        if wanted and service.price:
            Service.objects.filter(pk=service.pk).update(is_on_sale=True)
            service.is_on_sale = True
