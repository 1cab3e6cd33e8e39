"""Unexpected errors: an alert for each place, a number on the page, and no storm."""

from __future__ import annotations

import logging
import re
import sys
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

import manage
from panel.alerts import admin as alerts_admin
from panel.alerts.errors import handler, reports
from panel.alerts.errors.handler import AlertHandler, Writer
from panel.alerts.errors.reports import MAX_KEPT, close_quiet_errors, number_of, report_of, store_reports
from panel.alerts.models import Alert, ErrorReport

log = structlog.get_logger("tests.errors")


class Kept:
    """In place of the thread: what it would store."""

    def __init__(self) -> None:
        self.found: list[reports.Report] = []

    def add(self, report: reports.Report) -> None:
        self.found.append(report)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The handler is on, as in production, and its thread is not."""
    kept, root, on = Kept(), logging.getLogger(), AlertHandler(logging.ERROR)
    monkeypatch.setattr(handler, "WRITER", kept)
    root.addHandler(on)
    yield kept.found
    root.removeHandler(on)


def an_error(text: str = "it broke") -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


@pytest.mark.django_db
def test_page_when_a_view_breaks_then_a_number_that_finds_the_report(kept, staff_client: Client, monkeypatch):
    monkeypatch.setattr(alerts_admin, "alerts_for", lambda *args: 1 / 0)
    staff_client.raise_request_exception = False
    response = staff_client.get("/admin/ops/alert/")
    assert response.status_code == 500
    number = re.search(r"<code>([0-9A-F]{8})</code>", response.content.decode())[1]  # type: ignore[index]
    (report,) = kept
    assert (report.number, report.kind) == (number, "ZeroDivisionError")
    assert report.place == "panel/alerts/admin.py, get_queryset"
    assert report.where.startswith("GET /admin/ops/alert/")
    store_reports(kept)
    found = staff_client.get(f"/admin/ops/errorreport/?q={number}").content.decode()
    assert "ZeroDivisionError" in found
    assert Alert.objects.get().level == Alert.Level.DANGER


def test_error_when_logged_by_structlog_or_logging_then_reported_once(kept):
    try:
        raise ValueError("it broke")
    except ValueError:
        log.exception("lane failed", lane="north")
        logging.getLogger("celery.app.trace").exception("the same")
        logging.getLogger("django.security.DisallowedHost").exception("of a stranger")
    logging.getLogger("any").error("without an exception")
    (report,) = kept
    assert report.where == "lane failed"
    assert report.place.endswith("test_error_when_logged_by_structlog_or_logging_then_reported_once")


def test_error_when_of_a_task_then_its_name_is_where(kept):
    try:
        raise ValueError
    except ValueError:
        extra = {"data": {"name": "orders.tasks.poll_orders"}}
        logging.getLogger("celery.app.trace").error("failed", exc_info=sys.exc_info(), extra=extra)
    assert kept[0].where == "task orders.tasks.poll_orders"


def test_error_when_of_a_command_then_reported_and_raised(kept, monkeypatch):
    def fail(argv: list[str]) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("django.core.management.execute_from_command_line", fail)
    monkeypatch.setattr(sys, "argv", ["manage.py", "backup", "--keep", "3"])
    with pytest.raises(ValueError, match="broken"):
        manage.main()
    assert kept[0].where == "manage.py backup"


def test_report_when_the_error_holds_secrets_then_without_them():
    report = report_of(an_error("api_key=topsecret123"), where="/reset/key/abc-def/")
    assert "topsecret123" not in repr(report)
    assert "abc-def" not in report.where


def test_number_when_asked_again_then_the_same():
    error = an_error()
    assert number_of(error) == number_of(error) == report_of(error, where="").number
    assert number_of(None) != number_of(None)


@pytest.mark.django_db
def test_errors_when_of_one_place_then_one_alert_that_counts():
    store_reports([report_of(an_error(str(number)), where="GET /") for number in range(7)])
    store_reports([report_of(an_error("again"), where="GET /")])
    alert = Alert.objects.get()
    assert alert.count == 8
    assert ": again Number " in alert.text


@pytest.mark.django_db
def test_errors_when_one_place_cannot_be_stored_then_the_others_are(monkeypatch):
    def fail(group: str, found: list[reports.Report]) -> None:
        if found[0].kind == "KeyError":
            raise OperationalError("no room")
        store(group, found)

    store = reports._store_group
    monkeypatch.setattr(reports, "_store_group", fail)
    store_reports([report_of(KeyError("x"), where="GET /"), report_of(an_error(), where="GET /")])
    assert ErrorReport.objects.get().kind == "ValueError"


@pytest.mark.django_db
def test_errors_when_many_then_the_last_are_kept():
    for _ in range(MAX_KEPT // 10 + 2):
        store_reports([report_of(an_error(), where="GET /") for _ in range(20)])
    assert ErrorReport.objects.count() == MAX_KEPT


@pytest.mark.django_db
def test_alert_when_quiet_for_a_day_then_closed(monkeypatch):
    store_reports([report_of(an_error(), where="GET /")])
    assert close_quiet_errors() == 0
    tomorrow = timezone.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    assert close_quiet_errors() == 1
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_writer_when_it_has_reports_then_stored_by_its_thread(monkeypatch):
    monkeypatch.setattr(handler, "MAX_END_WAIT", 60.0)
    writer = Writer()
    writer.add(report_of(an_error(), where="GET /"))
    writer.finish()
    assert ErrorReport.objects.count() == 1


def test_writer_when_the_database_is_away_then_it_goes_on(monkeypatch, caplog):
    def away(found: list[reports.Report]) -> None:
        raise OperationalError("no database")

    monkeypatch.setattr(reports, "store_reports", away)
    Writer()._store([report_of(an_error(), where="GET /")])
    assert "errors not stored: OperationalError" in caplog.text


def test_handler_when_reporting_fails_then_the_caller_goes_on(kept, monkeypatch):
    monkeypatch.setattr(reports, "report_of", lambda error, where: 1 / 0)
    try:
        raise ValueError
    except ValueError:
        log.exception("still logged")
    assert kept == []
