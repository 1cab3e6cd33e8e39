"""Many rows in one statement: every kind of value is stored unchanged, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog.models import Category, Provider, SyncRun, UpstreamService
from panel.lib.bulk_sql import ROWS, in_chunks, insert_rows, update_rows
from panel.lib.money import MAX_MICROS
from tests import make

pytestmark = pytest.mark.django_db

COLUMNS = (
    "provider_id",
    "external_id",
    "name",
    "category",
    "type",
    "rate",
    "min_quantity",
    "max_quantity",
    "refill",
    "cancel",
    "dripfeed",
    "description",
    "is_listed",
    "first_seen_at",
    "changed_at",
)
MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
NAMES = ["\"quoted\" 'name' \\ %s $1", "line\nbreak\ttab", "émoji 🎈 ‮", "[1, null]", "null", "", "x" * 500]


def row(provider: Provider, number: int, **values):
    made = {
        "provider_id": provider.pk,
        "external_id": str(number),
        "name": f"Service {number}",
        "category": "Social",
        "type": "default",
        "rate": number,
        "min_quantity": 1,
        "max_quantity": MAX_MICROS,
        "refill": True,
        "cancel": False,
        "dripfeed": False,
        "description": "",
        "is_listed": True,
        "first_seen_at": MOMENT,
        "changed_at": MOMENT,
        **values,
    }
    return [made[name] for name in COLUMNS]


@pytest.fixture
def of(db):
    return make.provider()


def test_insert_when_values_are_of_every_kind_then_stored_unchanged(of):
    rows = [row(of, number, name=name, rate=MAX_MICROS - number) for number, name in enumerate(NAMES)]
    insert_rows(model=UpstreamService, columns=COLUMNS, rows=rows)
    stored = UpstreamService.objects.order_by("pk").values_list(*COLUMNS)
    assert [list(one) for one in stored] == rows


def test_insert_when_thousands_of_rows_then_one_query_per_thousand(of):
    with CaptureQueriesContext(connection) as captured:
        insert_rows(model=UpstreamService, columns=COLUMNS, rows=(row(of, number) for number in range(2 * ROWS + 1)))
    assert sum(query["sql"].startswith("INSERT") for query in captured.captured_queries) == 3
    assert UpstreamService.objects.count() == 2 * ROWS + 1


def test_insert_when_there_is_nothing_then_no_statement(of, django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_rows(model=UpstreamService, columns=COLUMNS, rows=[])
        assert update_rows(model=UpstreamService, columns=("rate",), rows=[]) == 0


def test_insert_when_a_row_breaks_a_constraint_then_none_is_written(of):
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(model=UpstreamService, columns=COLUMNS, rows=[row(of, 1), row(of, 2, rate=-1)])
    assert not UpstreamService.objects.exists()


def test_insert_when_text_exceeds_its_column_then_not_truncated(of):
    too_long = [row(of, 1, name="x" * 501)]
    if connection.vendor == "postgresql":
        with pytest.raises(Exception, match="too long"), transaction.atomic():
            insert_rows(model=UpstreamService, columns=COLUMNS, rows=too_long)
        assert not UpstreamService.objects.exists()
    else:
        insert_rows(model=UpstreamService, columns=COLUMNS, rows=too_long)
        assert len(UpstreamService.objects.get().name) == 501


def test_update_when_any_value_type_then_only_named_columns_change(of):
    insert_rows(model=UpstreamService, columns=COLUMNS, rows=[row(of, number) for number in range(3)])
    first, second, third = UpstreamService.objects.order_by("pk").values_list("pk", flat=True)
    later = MOMENT.replace(year=2027)
    changed = update_rows(
        model=UpstreamService,
        columns=("name", "rate", "refill", "changed_at"),
        rows=[
            (first, NAMES[0], 7, False, later),
            (third, NAMES[2], 8, True, later),
            (10**12, "nobody", 1, True, later),
        ],
    )
    assert changed == 2
    stored = {one.pk: one for one in UpstreamService.objects.all()}
    assert (stored[first].name, stored[first].rate, stored[first].refill) == (NAMES[0], 7, False)
    assert (stored[third].name, stored[third].changed_at) == (NAMES[2], later)
    assert (stored[second].name, stored[second].changed_at) == ("Service 1", MOMENT)
    assert stored[first].first_seen_at == MOMENT


def test_update_when_row_was_changed_then_skipped_and_not_counted(of):
    insert_rows(model=UpstreamService, columns=COLUMNS, rows=[row(of, 1), row(of, 2)])
    first, second = UpstreamService.objects.order_by("pk").values_list("pk", flat=True)
    rows = [(first, 1, True, "Changed"), (second, 1, True, "Changed")]
    assert update_rows(model=UpstreamService, columns=("name",), rows=rows, unmoved=("rate", "is_listed")) == 1
    assert list(UpstreamService.objects.order_by("pk").values_list("name", flat=True)) == ["Changed", "Service 2"]


def test_update_when_a_value_is_none_then_null_and_zero_stays_zero(db):
    one, other = (Category.objects.create(name=name, margin_bp=5, margin_fixed=5) for name in ("One", "Other"))
    update_rows(model=Category, columns=("margin_bp", "margin_fixed"), rows=[(one.pk, None, 0), (other.pk, 0, None)])
    assert list(Category.objects.order_by("pk").values_list("margin_bp", "margin_fixed")) == [(None, 0), (0, None)]


def test_update_when_a_column_holds_json_then_it_stays_json(of):
    run = SyncRun.objects.create(provider=of)
    grounds = {"gone": ["1", "2"], "rates": {"3": 4_000_000}, "text": 'a "b" \\ é'}
    update_rows(model=SyncRun, columns=("grounds", "skipped"), rows=[(run.pk, grounds, [[1, "x", None]])])
    run.refresh_from_db()
    assert (run.grounds, run.skipped) == (grounds, [[1, "x", None]])


def test_in_chunks_when_split_then_nothing_is_lost_or_duplicated():
    assert list(in_chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(in_chunks([])) == []
