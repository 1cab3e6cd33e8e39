"""Prints as JSON all names of a release that the outside world depends on. The module runs in both releases.

They are in bookmarks and programs of customers, in crontabs, in messages and database rows, and in `.env` files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

django.setup()

from celery import current_app  # noqa: E402
from django.apps import apps  # noqa: E402
from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.management import get_commands  # noqa: E402
from django.db import connection  # noqa: E402
from django.urls import URLResolver, get_resolver  # noqa: E402

import panel.celery  # noqa: E402, F401


def addresses(patterns: list[Any], namespace: str = "", path: str = "") -> Iterator[str]:
    """Yield "namespace:name at /pattern" of each page."""
    for one in patterns:
        here = f"{path}{one.pattern}"
        if isinstance(one, URLResolver):
            inner = f"{namespace}{one.namespace}:" if one.namespace else namespace
            yield from addresses(one.url_patterns, inner, here)
        else:
            yield f"{namespace}{one.name} at /{here}"


def tasks() -> list[str]:
    current_app.loader.import_default_modules()
    return [name for name in current_app.tasks if not name.startswith("celery.")]


def columns() -> Iterator[str]:
    """Yield "table.column" of each column in the database."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for column in connection.introspection.get_table_description(cursor, table):
                yield f"{table}.{column.name}"


def settings() -> list[str]:
    """Return the names in `.env.example`, including those that are commented out."""
    return re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", Path(".env.example").read_text(), re.M)


def joined(rows: Any) -> list[str]:
    return [".".join(row) for row in rows]


def names() -> dict[str, list[str]]:
    found = {
        "pages": addresses(get_resolver().url_patterns),
        "tasks": tasks(),
        "scheduled tasks": [entry["task"] for entry in current_app.conf.beat_schedule.values()],
        "commands": get_commands(),
        "apps": [app.label for app in apps.get_app_configs()],
        "models": [model._meta.label_lower for model in apps.get_models()],
        "columns": columns(),
        "content types": joined(ContentType.objects.values_list("app_label", "model")),
        "permissions": joined(Permission.objects.values_list("content_type__app_label", "codename")),
        "rights of roles": joined(
            Group.objects.filter(permissions__isnull=False).values_list(
                "name", "permissions__content_type__app_label", "permissions__codename"
            )
        ),
        "settings": settings(),
    }
    return {kind: sorted(values) for kind, values in found.items()}


if __name__ == "__main__":
    print(json.dumps(names()))
