"""The panel's URLs, and the views that its API is compared with."""

from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from panel.urls import urlpatterns as panel_urls
from tests.bench.replay import Statement, replay_order


@csrf_exempt
def bare(request: HttpRequest, statements: int) -> JsonResponse:
    """Run this many trivial statements and nothing else."""
    with connection.cursor() as cursor:
        for _ in range(statements):
            cursor.execute("SELECT 1")
            cursor.fetchone()
    return JsonResponse({"ok": True})


@csrf_exempt
def replay(request: HttpRequest, place: int) -> JsonResponse:
    """Run the recorded statements of an `add` of the customer at this place, and nothing else."""
    return JsonResponse({"order": replay_order(_recorded()[place])})


@cache
def _recorded() -> Any:
    found: list[list[Statement]] = pickle.loads(Path(os.environ["BENCH_RECORDED"]).read_bytes())
    return found


urlpatterns = [
    *panel_urls,
    path("bench/bare/<int:statements>", bare),
    path("bench/replay/<int:place>", replay),
]
