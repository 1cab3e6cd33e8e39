"""Services as CSV: a round trip changes nothing, and a file is previewed before it is applied."""

from __future__ import annotations

import csv
import io
import re
from itertools import chain

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import PriceChange, Service
from catalog.prices.csv_format import COLUMNS, FileRefused, read_rows
from catalog.prices.csv_import import edits_of_file, write_services
from panel.accounts.models import User
from panel.lib.csv_files import BOM, as_csv, decoded, guarded, rows_of, unguarded
from tests import make
from tests.scenes import statements

HOSTILE = (
    '=cmd|"/c calc"!A1',
    "+1 234",
    "-5 off",
    "@SUM(A1)",
    "\tTabbed",
    "\rReturned",
    "'already quoted",
    "''=twice",
    "<script>alert(1)</script>",
    'commas, "quotes"; semicolons',
    "two\r\nlines",
    "🚀 \u202egnp.exe",
    "A" * 500,
)

# -- pure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*HOSTILE, "", "plain", "2-for-1", "ü"])
def test_cell_when_written_and_read_again_then_the_same(text):
    file = "".join(as_csv(["id", "name"], [["7", text]])).encode()
    [_, (line, cells)] = rows_of(decoded(file), delimiter=",")
    assert (line, cells) == (2, ["7", text])
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


SPLIT_INSIDE = (
    *("a;=cmd()", "a\t=cmd()", "a|=cmd()", "a\n=cmd()", "a\r\n=cmd()", "a,=cmd()", "a:=cmd()", "a =cmd()"),
    *('a;"=cmd()"', 'a;""=cmd()', "a;+1+cmd|' /C calc'!A0", "a;-2+3", "a;@SUM(A1)", "a;＝cmd()", "a;b;=cmd()"),  # noqa: RUF001
    *("a;\t=cmd()", "a; =cmd()", "=a;=b", "'a;'=b", "a;''=b", "a '=b", "a;'b", "line\n- item", "a -2+cmd|x!A0"),
    *('"=cmd()', "5;-5", "up to -5 - 10 + 3", "https://t.me/a?b=c;d=@e", "it's 'so'", "a;-5 cmd|x"),
)


@pytest.mark.parametrize("text", [*HOSTILE, *SPLIT_INSIDE])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", " "])
def test_cell_when_split_at_any_separator_then_no_formula_begins(text, separator):
    file = "".join(as_csv(("id", "name", "more"), [("7", text, text)])).removeprefix(BOM)
    for cell in chain.from_iterable(csv.reader(io.StringIO(file, newline=""), delimiter=separator)):
        is_sign = separator == " " and len(cell) == 1  # A sign alone is text.
        is_number = re.fullmatch(r"-?[0-9]+", cell)
        assert is_sign or is_number or not cell.lstrip('"\t\r').startswith(("=", "+", "-", "@", "＝")), cell  # noqa: RUF001
    [_, (_, cells)] = rows_of(file, delimiter=",")
    assert cells == ["7", text, text]


@given(st.text("=-'\"; \t\n|a5@"))
def test_text_when_guarded_and_back_then_the_same(text):
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_name_when_written_and_read_again_then_the_same(name):
    text = "".join(as_csv(COLUMNS, [("7", "P", "1", name, name, "12.5", "", "yes", "1", "1.25")]))
    (row,) = read_rows(text.encode())
    assert (row.pk, row.values) == (7, {"name": name, "margin_bp": 1250, "margin_fixed": None})


@pytest.mark.parametrize("head", ["id,name", "ID , Name", "id;name", "name;id;margin percent"])
@pytest.mark.parametrize("mark", ["", BOM])
def test_file_when_written_by_any_spreadsheet_then_read(head, mark):
    delimiter = ";" if ";" in head else ","
    cells = {"id": "7", "name": "New", "margin percent": "30"}
    row = delimiter.join(cells[name.strip().lower()] for name in head.split(delimiter))
    (found,) = read_rows(f"{mark}{head}\r\n{row}\r\n\r\n".encode())
    assert (found.line, found.pk, found.values["name"]) == (2, 7, "New")
    assert ("margin_bp" in found.values) == ("margin percent" in head)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "“id” is missing"),
        ("name\nx\n", "“id” is missing"),
        ("id,category\n1,x\n", "nothing to set"),
        ("id,name,name\n1,a,b\n", "“name” stands there twice"),
        ("id,name\n", "holds no services"),
        ("id,name\nx,a\n", "Line 2: the id is not a number."),
        ("id,name\n١,a\n", "Line 2: the id is not a number."),
        ("id,name\n1,a\n1,b\n", "Line 3: service 1 stands on line 2 already."),
        ("id,name\n1, \n", "Line 2: the name is empty."),
        ("id,name\n1," + "x" * 501 + "\n", "longer than 500"),
        ("id,name\n1,a,b\n", "Line 2: it has 3 cells, the first line has 2."),
        ("id,name,margin percent\n1,a\n", "Line 2: it has 2 cells, the first line has 3."),
        ("id,margin percent\n1,abc\n", "Line 2: margin percent: Enter a number such as 12.50."),
        ("id,margin percent\n1,-1\n", "cannot be negative"),
        ("id,margin percent\n1,1e3\n", "Line 2: margin percent"),
        ("id,margin percent\n1,12.345\n", "fewer decimal places"),
        ("id,margin percent\n1,1000000\n", "out of range"),
        ("id;margin percent\n1;12,500\n", "decimal point and without commas"),
        ("id,fixed margin\n1,nan\n", "Line 2: fixed margin"),
        ("id,fixed margin\n1,99999999999\n", "Line 2: fixed margin"),
        ('id,name\n1,"a\n', "Line 2: this is not CSV"),
        ('id,name\n1,"a"b\n', "Line 2: this is not CSV"),
        ("id,name\n1,a\0b\n", "not a CSV file"),
        ('id,name\n1,"a\nb"\nx,c\n', "Line 4: the id is not a number."),
        ("id,name\n1," + "x" * 200_000 + "\n", "this is not CSV"),
    ],
)
def test_file_when_invalid_then_error_names_the_line(text, message):
    with pytest.raises(FileRefused) as refused:
        read_rows(text.encode())
    assert any(message in error for error in refused.value.errors), refused.value.errors


def test_file_when_not_unicode_then_refused():
    with pytest.raises(FileRefused, match="UTF-8"):
        read_rows("id,name\n1,ü\n".encode("latin-1"))


def test_file_when_in_utf_16_then_read_as_utf_8():
    text = "id,name\n1,ü\n"
    assert read_rows(text.encode("utf-16")) == read_rows(text.encode())


def test_file_when_every_line_is_invalid_then_lists_fifty_errors():
    with pytest.raises(FileRefused) as refused:
        read_rows(("id,name\n" + "x,a\n" * 70).encode())
    assert (len(refused.value.errors), refused.value.count, refused.value.more) == (50, 70, 20)


# -- with services ---------------------------------------------------------------------------------------


def export() -> bytes:
    return "".join(write_services(services=Service.objects.order_by("pk"))).encode()


def dicts_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def as_file(rows: list[dict[str, str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def upload(client: Client, data: bytes, name: str = "margins.csv"):
    return client.post(reverse("admin:catalog_service_import"), {"file": SimpleUploadedFile(name, data)})


def stored() -> list[dict]:
    return list(Service.objects.order_by("pk").values())


@pytest.mark.django_db
def test_export_when_imported_again_then_nothing_changes(provider):
    for number, name in enumerate(HOSTILE):
        one = make.service(provider, external_id=f"={number}", margin_bp=number or None)
        Service.objects.filter(pk=one.pk).update(name=name, margin_fixed=number * 7 or None)
    data = export()
    assert data.startswith(BOM.encode())
    assert edits_of_file(data=data) == []
    for row in dicts_of(data):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values()), row


@pytest.mark.django_db
def test_export_when_read_then_has_cost_and_price_of_each_service(provider):
    one = make.service(provider, rate="2", margin_bp=1250, name="Likes")
    (row,) = dicts_of(export())
    assert row == {
        "id": str(one.pk),
        "provider": "Upstream",
        "provider's id": "1",
        "name": "Likes",
        "category": "Social",
        "margin percent": "12.5",
        "fixed margin": "",
        "on sale": "yes",
        "cost": "2",
        "price": "2.25",
    }


@pytest.mark.django_db
def test_file_import_when_margins_differ_then_previewed_first(provider, staff_client):
    one, other = make.service(provider), make.service(provider, external_id="2", margin_bp=1000)
    rows = dicts_of(export())
    rows[0] |= {"margin percent": "50", "name": "Better", "category": "Elsewhere", "price": "0"}
    rows[1] |= {"margin percent": "", "fixed margin": "0.1"}
    before = stored()
    answer = upload(staff_client, as_file(rows))
    change = PriceChange.objects.get()
    assert reverse("admin:catalog_pricechange_preview", args=[change.pk]) in answer.url
    assert (stored(), change.state, change.source) == (before, "draft", "file")
    assert change.edits == [
        {"kind": "service", "pks": [one.pk], "values": {"name": "Better", "margin_bp": 5000}},
        {"kind": "service", "pks": [other.pk], "values": {"margin_bp": None, "margin_fixed": 100_000}},
    ]


@pytest.mark.django_db
def test_file_import_when_names_differ_then_applied_with_history(provider, staff_client, staff):
    one = make.service(provider)
    rows = dicts_of(export())
    rows[0]["name"] = "  Renamed "
    upload(staff_client, as_file(rows))
    assert Service.objects.get(pk=one.pk).name == "Renamed"
    change = PriceChange.objects.get()
    assert (change.state, change.actor) == ("applied", staff)


@pytest.mark.django_db
def test_file_import_when_column_is_missing_then_not_changed(provider):
    one = make.service(provider, margin_bp=1000)
    assert edits_of_file(data=f"id,name\n{one.pk},Followers\n".encode()) == []
    assert edits_of_file(data=f"id,margin percent\n{one.pk},\n".encode())[0].values == {"margin_bp": None}


@pytest.mark.django_db
@pytest.mark.parametrize("data", [b"id,name\n999999,a\n", b"id,margin percent\nx,1\n", b"\xff\xfe", b"", b"id,name\n"])
def test_file_import_when_invalid_then_error_and_nothing_changes(provider, staff_client, data):
    make.service(provider)
    before = stored()
    answer = upload(staff_client, data)
    assert answer.status_code == 200
    assert "Nothing was changed" in answer.content.decode() or "empty" in answer.content.decode()
    assert (stored(), PriceChange.objects.count()) == (before, 0)


@pytest.mark.django_db
def test_file_import_when_one_line_is_invalid_then_none_is_applied(provider, staff_client):
    one = make.service(provider)
    before = stored()
    text = upload(staff_client, f"id,name\n{one.pk},Good\n999999,Gone\n".encode()).content.decode()
    assert "Line 3: there is no service 999999." in text
    assert stored() == before


@pytest.mark.django_db
def test_file_import_when_error_quotes_the_file_then_escaped(provider, staff_client):
    text = upload(staff_client, b'id,name\n1,"a"<script>alert(1)</script>\n', name="<b>.csv").content.decode()
    assert "<script>alert(1)" not in text


@pytest.mark.django_db
def test_file_import_when_larger_than_5_mb_then_refused(provider, staff_client):
    answer = upload(staff_client, b"id,name\n" + b"x" * (5 * 1024 * 1024))
    assert "larger than 5 MB" in answer.content.decode()
    assert PriceChange.objects.count() == 0


@pytest.mark.django_db
def test_file_import_when_thousands_get_one_margin_then_one_edit(provider):
    pks = [make.service(provider, external_id=str(number)).pk for number in range(30)]
    data = ("id,margin percent\n" + "".join(f"{pk},33\n" for pk in pks)).encode()
    with statements() as found:
        (edit,) = edits_of_file(data=data)
    assert (edit.pks, len(found)) == (tuple(pks), 1)


@pytest.mark.django_db
@pytest.mark.parametrize("permissions", [(), ("view_service",), ("view_service", "view_provider")])
def test_files_when_user_may_not_change_services_then_forbidden(provider, permissions):
    one = make.service(provider)
    user = User.objects.create_user("reader@example.org", "correct horse battery", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    before = stored()
    assert upload(client, f"id,name\n{one.pk},Mine\n".encode()).status_code == 403
    assert client.get(reverse("admin:catalog_service_import")).status_code == 403
    assert client.get(reverse("admin:catalog_service_export")).status_code == 403
    assert (stored(), PriceChange.objects.count()) == (before, 0)


@pytest.mark.django_db
def test_export_when_list_is_filtered_then_only_matching_services(provider, staff_client):
    make.service(provider, name="Likes")
    make.service(provider, external_id="2", name="Views")
    answer = staff_client.get(reverse("admin:catalog_service_export"), {"q": "views"})
    assert [row["name"] for row in dicts_of(b"".join(answer.streaming_content))] == ["Views"]
    assert answer["Content-Disposition"].startswith('attachment; filename="services-')


@pytest.mark.django_db
def test_export_when_posted_or_parameters_are_invalid_then_no_file(provider, staff_client):
    url = reverse("admin:catalog_service_export")
    assert staff_client.post(url).status_code == 405
    assert staff_client.get(url, {"is_on_sale__exact": "zzz"}).status_code == 302
