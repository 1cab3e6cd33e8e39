"""Production loads no sandbox provider, however it might be imported."""

from __future__ import annotations

import json

import pytest

from tests.commands import SECRETS, run_python

# Nothing listens there: importing contacts no server.
PRODUCTION = {
    **SECRETS,
    "SITE_URL": "https://panel.example.com",
    "DATABASE_URL": "sqlite:////dev/null",
    "CACHE_URL": "rediscache://127.0.0.1:9/1",
    "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
}

LOAD_EVERYTHING = """
import json, sys
import panel.wsgi
from panel.celery import app
from django.contrib import admin
from django.urls import get_resolver
pages = len(get_resolver().url_patterns)
app.loader.import_default_modules()
tasks = [name for name in app.tasks if not name.startswith("celery.")]
admin.autodiscover()
print(json.dumps({"loaded": sorted(sys.modules), "pages": pages, "tasks": tasks, "admin": len(admin.site._registry)}))
"""


@pytest.mark.once
def test_modules_when_production_is_loaded_then_no_sandbox_or_demo():
    run = run_python("-c", LOAD_EVERYTHING, **PRODUCTION)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["pages"] and found["admin"] and "orders.tasks.submit_orders" in found["tasks"]
    assert {"orders.admin", "catalog.admin", "panel.urls"} <= set(found["loaded"])
    assert [name for name in found["loaded"] if f"{name}.".startswith(("panel.sandbox.", "panel.demo."))] == []


@pytest.mark.once
@pytest.mark.parametrize(("demo", "known"), [({}, False), ({"DEMO_PASSWORD": "chosen"}, True)])
def test_sandbox_command_when_the_demo_is_set_up_then_known_else_not(demo, known):
    code = "from django.core.management import get_commands; print('sandbox_provider' in get_commands())"
    run = run_python("manage.py", "shell", "--no-imports", "-c", code, **PRODUCTION, **demo)
    assert run.stdout.strip() == str(known), run.stderr
