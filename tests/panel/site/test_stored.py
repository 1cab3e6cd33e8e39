"""The snapshot of the settings: rarely asked for, never late by more than its age, never the reason for a failure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from panel.site import registry as site
from panel.site import stored
from panel.site.allauth import setting
from panel.site.models import StoredSetting
from panel.site.services import Wanted, change_settings
from tests.commands import ROOT, SECRETS, database_url
from tests.threads import MAX_WAIT_SECONDS, in_threads


@pytest.fixture(autouse=True)
def nothing_read(monkeypatch):
    monkeypatch.setattr(stored, "_current", None)


def store(name, text):
    StoredSetting.objects.update_or_create(name=name, defaults={"value": text})


@pytest.mark.django_db(transaction=True)
def test_texts_when_read_again_soon_then_no_query(monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 1_000)
    store("PANEL_NAME", "Harbour")
    store("QUEUE_LIMIT_HOURS", None)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert [site.PANEL_NAME.value for _ in range(50)] == ["Harbour"] * 50
        assert site.QUEUE_LIMIT_HOURS.value == 24
    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_texts_when_older_than_a_second_then_read_again(monkeypatch):
    store("PANEL_NAME", "Harbour")
    assert site.PANEL_NAME.value == "Harbour"
    store("PANEL_NAME", "Haven")
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 0)
    assert site.PANEL_NAME.value == "Haven"


@pytest.mark.django_db(transaction=True)
def test_texts_when_forgotten_then_read_at_once(monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 1_000)
    assert site.PANEL_NAME.value == "Upmark"
    store("PANEL_NAME", "Harbour")
    assert site.PANEL_NAME.value == "Upmark"
    stored.forget()
    assert site.PANEL_NAME.value == "Harbour"


@pytest.mark.django_db(transaction=True)
def test_texts_when_forgotten_during_query_then_answer_is_not_kept(monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 1_000)
    query = stored._query

    def changed_meanwhile():
        found = query()
        store("PANEL_NAME", "Harbour")
        stored.forget()
        return found

    monkeypatch.setattr(stored, "_query", changed_meanwhile)
    assert site.PANEL_NAME.value == "Upmark"
    monkeypatch.setattr(stored, "_query", query)
    assert site.PANEL_NAME.value == "Harbour"


@pytest.mark.django_db(transaction=True)
def test_texts_when_in_transaction_then_snapshot_without_query(monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 0)
    assert site.PANEL_NAME.value == "Upmark"
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert site.PANEL_NAME.value == "Upmark"
    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
def test_texts_when_another_thread_reads_then_the_last_snapshot(monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 0)
    store("PANEL_NAME", "Harbour")
    assert site.PANEL_NAME.value == "Harbour"
    store("PANEL_NAME", "Haven")
    with stored._is_reading:
        assert site.PANEL_NAME.value == "Harbour"
    assert site.PANEL_NAME.value == "Haven"


@pytest.mark.django_db(transaction=True)
def test_texts_when_many_threads_begin_then_each_gets_what_is_stored():
    store("PANEL_NAME", "Harbour")
    assert in_threads(*[lambda: site.PANEL_NAME.value] * 8) == ["Harbour"] * 8


def failing(text):
    def fails():
        raise OperationalError(text)

    return fails


def test_texts_when_there_is_no_table_yet_then_the_defaults(monkeypatch):
    monkeypatch.setattr(stored, "_query", failing("no such table: site_storedsetting"))
    assert site.PANEL_NAME.value == "Upmark"
    assert stored._current is None


def test_texts_when_database_fails_then_last_snapshot_or_error(monkeypatch):
    """An order that may wait for a week would be canceled after the default of a day."""
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 0)
    monkeypatch.setattr(stored, "_query", failing("too many clients already"))
    with pytest.raises(OperationalError):
        site.QUEUE_LIMIT_HOURS.value  # noqa: B018
    monkeypatch.setattr(stored, "_current", stored.Snapshot({"PANEL_NAME": "Harbour"}, 0))
    assert site.PANEL_NAME.value == "Harbour"


@pytest.mark.django_db
def test_texts_when_first_query_fails_then_transaction_continues(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE site_storedsetting RENAME TO site_elsewhere")
    assert site.PANEL_NAME.value == "Upmark"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("ALTER TABLE site_elsewhere RENAME TO site_storedsetting")


@pytest.mark.django_db(transaction=True)
def test_change_when_committed_then_visible_at_once_but_not_before(staff, monkeypatch):
    monkeypatch.setattr(stored, "MAX_AGE_SECONDS", 1_000)
    assert site.PANEL_NAME.value == "Upmark"
    with transaction.atomic():
        change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Harbour", seen=0)})
        assert site.PANEL_NAME.value == "Upmark"
    assert site.PANEL_NAME.value == "Harbour"


_WATCHER = """
import sys, time
import django; django.setup()
from panel.site import registry as site
print(site.PANEL_NAME.value, flush=True)
until = time.monotonic() + float(sys.argv[1])
while site.PANEL_NAME.value != "Harbour" and time.monotonic() < until:
    time.sleep(0.02)
print(site.PANEL_NAME.value, flush=True)
"""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_change_when_made_here_then_a_running_process_sees_it(staff):
    environment = {
        **SECRETS,
        "PATH": os.environ.get("PATH", ""),
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "panel.settings",
        "DATABASE_URL": database_url(),
    }
    command = [sys.executable, "-c", _WATCHER, str(MAX_WAIT_SECONDS)]
    watcher = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    with watcher:
        assert watcher.stdout.readline() == "Upmark\n"
        change_settings(actor=staff, wanted={"PANEL_NAME": Wanted("Harbour", seen=0)})
        assert watcher.stdout.readline() == "Harbour\n"
    assert site.PANEL_NAME.value == "Harbour"


def test_library_when_there_is_no_database_then_its_checks_run(monkeypatch):
    monkeypatch.setattr(stored, "_query", failing("unable to open database file"))
    assert setting("ACCOUNT_EMAIL_VERIFICATION", None) == "optional"
    assert setting("MFA_TOTP_ISSUER", None) == "Upmark"
