"""Banks' files: their delimiters, encodings, names of columns, days and amounts."""

from __future__ import annotations

from datetime import date

import pytest

from billing.bank.columns import columns_of, find_table
from billing.bank.read import Reading, read_table
from billing.bank.tables import MAX_FILE, MAX_ROWS, read_rows, text_of
from billing.bank.values import BadValue, Order, decimal_sign_of, orders_of, read_amount, read_day
from panel.lib.csv_files import NotCSV
from panel.lib.money import MICRO

pytestmark = pytest.mark.once

GERMAN = """Kontoinhaber;Shop GmbH
Konto;DE00 1234

Buchungstag;Valutadatum;Auftraggeber;Verwendungszweck;Betrag (EUR);Währung
28.11.2026;28.11.2026;Müller, Jörg;UPM 7F3C-9A2K danke;1.234,50;EUR
28.11.2026;28.11.2026;Strom AG;Abschlag;-80,00;EUR
27.11.2026;27.11.2026;Anna B.;Aufladung;20,00;EUR
;;;Summe;1.174,50;EUR
"""
ENGLISH = """Date,Description,Paid out,Paid in,Balance
11/28/2026,"TRANSFER J SMITH, 7F3C9A2K",,"1,234.50","9,000.00"
11/27/2026,RENT,500.00,,7765.50
11/02/2026,J DOE,,20.00,8265.50
"""
RUSSIAN = (
    "Дата;Плательщик;Сумма;Назначение платежа\n2026-11-28;Иван;1 234,50;Пополнение\n2026-11-27;Пётр;20,00;счёт 5\n"
)
SIGNED = (
    "Datum;Naam;Af Bij;Bedrag (EUR);Mededelingen\n20261128;J. Jansen;Bij;20,00;7F3C9A2K\n20261128;Huur;Af;500,00;x\n"
)


def reading(text: str, currency: str = "EUR", order: Order | None = None) -> Reading:
    table, columns = find_table(read_rows(text))
    assert columns is not None, table.header
    today, earliest = date(2026, 11, 30), date(2026, 1, 1)
    return read_table(table=table, columns=columns, currency=currency, today=today, earliest=earliest, order=order)


def lines(text: str, **values) -> list[tuple[date, int]]:
    return [(one.day, one.amount) for one in reading(text, **values).incoming]


BOTH = [(date(2026, 11, 28), 1_234_500_000), (date(2026, 11, 27), 20 * MICRO)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_file_when_german_then_what_came_in_without_debits(encoding):
    found = reading(text_of(GERMAN.encode(encoding)))
    assert [(one.day, one.amount) for one in found.incoming] == BOTH
    assert (found.outgoing, found.empty, found.problems) == (1, 1, [])
    assert found.incoming[0].text == "Müller, Jörg · UPM 7F3C-9A2K danke"


def test_file_when_english_with_paid_in_and_months_first_then_read():
    found = reading(ENGLISH, currency="USD")
    assert [(one.day, one.amount) for one in found.incoming] == [
        (date(2026, 11, 28), 1_234_500_000),
        (date(2026, 11, 2), 20 * MICRO),
    ]
    assert (found.empty, found.is_order_open) == (1, False)


def test_file_when_russian_or_with_a_column_of_signs_then_read():
    assert lines(RUSSIAN, currency="RUB") == BOTH
    assert lines(SIGNED) == [(date(2026, 11, 28), 20 * MICRO)]
    assert reading(SIGNED).outgoing == 1


def test_file_when_in_another_currency_then_left_out():
    assert (reading(GERMAN, currency="USD").incoming, reading(GERMAN, currency="USD").other_currencies) == ([], 2)


@pytest.mark.parametrize(
    ("header", "is_known"),
    [
        ("Fecha;Concepto;Importe", True),
        ("Date;Libellé;Montant", True),
        ("Data operazione;Causale;Accrediti", True),
        ("Data operacji;Opis;Kwota", True),
        ("İşlem Tarihi;Açıklama;Tutar", True),
        ("Data;Descrição;Valor (R$)", True),
        ("Booking date;Amount;Balance", True),
        ("A;B;C", False),
        ("Date;Text;Balance", False),
    ],
)
def test_header_when_of_a_language_then_known_or_left_to_a_person(header, is_known):
    assert (columns_of(header.split(";")) is not None) is is_known


def test_header_when_unknown_then_the_widest_row_is_offered():
    table, columns = find_table(read_rows("My bank\nWhen;How much;Why\n28.11.2026;5,00;x\n"))
    assert (columns, table.header, len(table.rows)) == (None, ["When", "How much", "Why"], 1)


AMOUNTS = [
    ("5", "", 5), ("1.234,56", "", 1234.56), ("1,234.56", "", 1234.56), ("1'234.50", "", 1234.5),
    ("+12,50", "", 12.5), ("-12,50", "", -12.5), ("12.50-", "", -12.5), ("(12.50)", "", -12.5), ("−3", "", -3),
    ("€ 12,50", "", 12.5), ("12.50 EUR", "", 12.5), ("1 234,50", "", 1234.5), ("1\u00a0234,50", "", 1234.5),
    (".50", "", 0.5), ("0,500", "", 0.5), ("1.234", ",", 1234), ("1.234", ".", 1.234), ("12.345.678", "", 12345678),
    ("1234,5", ".", 1234.5), ("1,234", ".", 1234),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "sign", "amount"), AMOUNTS)
def test_amount_when_written_so_then_read_exactly(cell, sign, amount):
    assert read_amount(cell, sign) == round(amount * MICRO)


@pytest.mark.parametrize(
    "cell", ["1,234", "", "x", "1.2.3", "1,2,3", "5 of 6", "1.5.7,0", "9" * 60, "5\n6", "1,23.4,5"]
)
def test_amount_when_it_has_two_readings_or_none_then_refused(cell):
    with pytest.raises(BadValue, match=r"two ways|no amount|out of range"):
        read_amount(cell, "")


@pytest.mark.parametrize("cell", ["50.00 DR", "50.00 D", "50.00 s", "50.00DR", "D 50.00", "50.00 Débit", "$50.00 Dr."])
def test_amount_when_a_mark_says_it_went_out_then_below_zero(cell):
    assert read_amount(cell, ".") == -50 * MICRO


@pytest.mark.parametrize(
    "cell", ["50.00 CR", "50.00 C", "H 50.00", "US$ 50.00 cr", "50.00 zł", "50.00 kr.", "Kč 50.00"]
)
def test_amount_when_a_mark_or_currency_is_beside_it_then_read(cell):
    assert read_amount(cell, ".") == 50 * MICRO


@pytest.mark.parametrize("cell", ["50.00 XD", "50.00 EURDR", "50.00 pending", "R 50.00 rev", "50.00 Ḋx"])
def test_amount_when_letters_beside_it_say_nothing_then_refused(cell):
    with pytest.raises(BadValue, match="no amount"):
        read_amount(cell, ".")


SIGNS = [
    ("Borç/Alacak", "Borç", 0), ("Borç/Alacak", "Alacak", 1), ("Sens", "Débit", 0), ("Sens", "CRÉDIT", 1),
    ("Debit/Credit", "Debet", 0), ("Debit/Credit", "Debits", 0), ("Kennzeichen", "Belastung", 0),
    ("Soll/Haben", "Haben", 1), ("Af Bij", "Af", 0), ("D/C", "−", 0), ("D/C", "+", 1), ("D/C", "Cr.", 1),
]  # fmt: skip


@pytest.mark.parametrize(("header", "word", "comes_in"), SIGNS)
def test_sign_when_a_known_word_in_any_accent_then_in_or_out(header, word, comes_in):
    found = reading(f"Date;Amount;{header};Text\n28.11.2026;50,00;{word};x\n")
    assert (len(found.incoming), found.outgoing, found.problems) == (comes_in, 1 - comes_in, [])


@pytest.mark.parametrize("word", ["Zzz", "", "Débito automático"])
def test_sign_when_it_says_neither_in_nor_out_then_told_and_left_out(word):
    found = reading(f"Date;Amount;D/C\n28.11.2026;50,00;{word}\n28.11.2026;7,00;C\n28.11.2026;-8,00;{word}\n")
    assert [one.amount for one in found.incoming] == [7 * MICRO]
    assert (found.outgoing, [one[:7] for one in found.problems]) == (1, ["Line 2:"])


def test_amount_when_beside_the_code_of_another_currency_then_left_out():
    found = reading("Date;Amount\n28.11.2026;50,00 UAH\n28.11.2026;7,00 eur\n")
    assert ([one.amount for one in found.incoming], found.other_currencies) == ([7 * MICRO], 1)


def test_decimal_sign_when_the_column_says_it_then_found():
    assert decimal_sign_of(["1.234", "5,00"]) == ","
    assert decimal_sign_of(["1,234", "5.00", "7"]) == "."
    assert decimal_sign_of(["1.234", "2,345"]) == ""
    assert decimal_sign_of(["5.00", "5,00"]) == ""


@pytest.mark.parametrize(
    ("cell", "order", "day"),
    [
        ("28.11.2026", Order.DAY_FIRST, date(2026, 11, 28)),
        ("28.11.26", Order.DAY_FIRST, date(2026, 11, 28)),
        ("28-11-2026 10:15", Order.DAY_FIRST, date(2026, 11, 28)),
        ("11/28/2026", Order.MONTH_FIRST, date(2026, 11, 28)),
        ("2026-11-28T10:15:00Z", Order.YEAR_FIRST, date(2026, 11, 28)),
        ("2026/11/28", Order.YEAR_FIRST, date(2026, 11, 28)),
        ("20261128", Order.YEAR_FIRST, date(2026, 11, 28)),
        ("28112026", Order.DAY_FIRST, date(2026, 11, 28)),
    ],
)
def test_day_when_written_so_then_read(cell, order, day):
    assert read_day(cell, order) == day


@pytest.mark.parametrize(
    "cell", ["", "x", "31.02.2026", "28.11.20261", "1.1.1", "28.11.1926", "1e3.1.2026", "٢٨.١١.٢٠٢٦"]
)
def test_day_when_it_is_none_then_refused(cell):
    with pytest.raises(BadValue, match="is no day"):
        read_day(cell, Order.DAY_FIRST)


def test_order_of_days_when_nothing_says_it_then_open():
    assert orders_of(["03/04/2026", "05/06/2026"]) == {Order.DAY_FIRST, Order.MONTH_FIRST}
    assert orders_of(["03/04/2026", "13/06/2026"]) == {Order.DAY_FIRST}
    assert orders_of(["03.04.2026", "05.06.2026"]) == {Order.DAY_FIRST}
    assert orders_of(["13/06/2026", "06/13/2026"]) == set()
    text = "Date,Amount\n03/04/2026,5.00\n"
    assert reading(text).is_order_open and not reading(text, order=Order.MONTH_FIRST).is_order_open
    assert lines(text, order=Order.MONTH_FIRST) == [(date(2026, 3, 4), 5 * MICRO)]


def test_rows_when_some_cannot_be_read_then_named_by_line_and_the_others_read():
    text = "Date;Amount;Text\n28.11.2026;x;a\n28.11.2036;5,00;b\n28.11.2020;5,00;c\n28.11.2026;5,00;d\nTotal;15,00;\n"
    found = reading(text)
    assert [one.text for one in found.incoming] == ["d"]
    assert [problem[:7] for problem in found.problems] == ["Line 2:", "Line 3:", "Line 4:", "Line 6:"]


def test_same_rows_when_in_one_file_then_each_its_own_digest():
    text = "Date;Amount;Text\n" + "28.11.2026;5,00;a\n" * 3
    digests = [one.digest() for one in reading(text).incoming]
    assert len(set(digests)) == 3
    overlapping = "Date;Amount;Text\n27.11.2026;9,00;z\n" + "28.11.2026;5,00;a\n" * 2
    assert [one.digest() for one in reading(overlapping).incoming][1:] == digests[:2]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"\n;;;\n", "empty"),
        (b"a" * (MAX_FILE + 1), "larger than"),
        (b"\0\1\2PK\x03", "not a CSV"),
        (b"a;b\n" * (MAX_ROWS + 1), "rows"),
        (b";" * 99 + b"x", "columns"),
        (b'a;"b\n' * 3, "not CSV"),
    ],
)
def test_file_when_it_is_none_then_told_why(data, told):
    with pytest.raises(NotCSV, match=told):
        read_rows(text_of(data))
