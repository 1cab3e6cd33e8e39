"""The shop's shelves."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.selectors import search_services


@login_required
@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """What is on sale, by category, at the customer's prices; searched by name or number."""
    query = request.GET.get("q", "").replace("\x00", "")[:100].strip()
    groups = search_services(query=query, customer=request.user)
    total = sum(len(group.offers) for group in groups)
    return render(request, "catalog/services.html", {"groups": groups, "query": query, "total": total})
