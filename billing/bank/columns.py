"""Which column of a bank's file holds what, by the names that banks give them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.bank.tables import MAX_PREAMBLE, Table
from billing.bank.words import plain

# Names as `plain` writes them: lower case, without accents and what stands in brackets. The first of a file counts.
DAY = (
    *("booking date", "date", "transaction date", "posting date", "completed date", "date completed", "booked on"),
    *("buchungstag", "buchungsdatum", "datum", "fecha", "fecha operacion", "fecha contable", "data", "data operacji"),
    *("data ksiegowania", "date operation", "date de comptabilisation", "date de l operation", "data contabile"),
    *("data operazione", "data mov", "data lancamento", "datum boeking", "boekdatum", "datum boekingsdatum"),
    *("дата", "дата операции", "дата проводки", "tarih", "islem tarihi", "datum transakcije", "value date"),
    *("valuta datum", "valutadatum", "wertstellung", "fecha valor", "date de valeur", "data valuta"),
)
AMOUNT = (
    *("amount", "transaction amount", "amount in account currency", "betrag", "umsatz", "importe", "montant"),
    *("importo", "valor", "kwota", "kwota operacji", "kwota transakcji", "сумма", "сумма операции", "tutar"),
    *("islem tutari", "bedrag", "belopp", "belob", "suma", "value", "net", "net amount"),
)
CREDIT = (
    *("credit", "credit amount", "paid in", "money in", "deposit", "deposits", "received", "haben", "gutschrift"),
    *("abono", "abonos", "haber", "ingreso", "ingresos", "avere", "entrate", "accrediti", "credito", "uznania"),
    *("wplywy", "кредит", "приход", "поступление", "зачисление", "alacak", "bij", "encaissement"),
)
CURRENCY = (
    *("currency", "wahrung", "waehrung", "moneda", "divisa", "devise", "moeda", "waluta", "валюта", "doviz"),
    *("para birimi", "muntsoort", "munt", "account currency", "transaction currency"),
)
SIGN = (
    *("credit/debit", "debit/credit", "d/c", "c/d", "dr/cr", "cr/dr", "soll/haben", "s/h", "af bij", "borc/alacak"),
    *("credit debit indicator", "kennzeichen", "sens", "дебет/кредит"),
)
TEXT = (
    # The time and the bank's own number tell two equal payments of a day apart.
    *("time", "transaction id", "transaction number", "transaction reference", "bank reference", "uhrzeit", "hora"),
    *("heure", "ora", "godzina", "tijd", "saat", "время", "время операции", "numer transakcji", "номер операции"),
    *("description", "details", "text", "reference", "payment reference", "memo", "narrative", "purpose", "message"),
    *("payer", "payer name", "name", "sender", "counterparty", "counterparty name", "remittance information", "note"),
    *("verwendungszweck", "buchungstext", "zahlungsreferenz", "auftraggeber", "beguenstigter/zahlungspflichtiger"),
    *("name zahlungsbeteiligter", "auftraggeber/empfanger", "zahlungspflichtige*r", "concepto", "descripcion"),
    *("referencia", "ordenante", "libelle", "communication", "communications", "motif", "causale", "descrizione"),
    *("descricao", "historico", "opis", "opis operacji", "tytul", "tytulem", "nadawca", "nadawca/odbiorca"),
    *("назначение платежа", "назначение", "описание", "плательщик", "контрагент", "aciklama", "gonderen"),
    *("omschrijving", "mededeling", "mededelingen", "naam/omschrijving", "naam tegenpartij", "meddelande"),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Places in a row, counted from 0. `sign` is of the column that says in or out where amounts do not."""

    day: int
    amount: int
    texts: tuple[int, ...]
    sign: int | None = None
    currency: int | None = None


def find_table(rows: Sequence[tuple[int, list[str]]]) -> tuple[Table, Columns | None]:
    """Return the table under the header, and its columns; None if their names are not known.

    Then the header is the first row with as many cells as the most have, for a person to choose from.
    """
    for place, (_, cells) in enumerate(rows[:MAX_PREAMBLE]):
        if columns := columns_of(cells):
            return Table(cells, list(rows[place + 1 :])), columns
    widest = max(len(cells) for _, cells in rows)
    place = next(place for place, (_, cells) in enumerate(rows) if len(cells) == widest)
    return Table(list(rows[place][1]), list(rows[place + 1 :])), None


def columns_of(header: Sequence[str]) -> Columns | None:
    """Return what the names of a header say; None without a day and an amount."""
    names = [plain(cell) for cell in header]
    day, amount, credit = _place(names, DAY), _place(names, AMOUNT), _place(names, CREDIT)
    if day is None or (amount is None and credit is None):
        return None
    texts = tuple(place for place, name in enumerate(names) if name in TEXT)
    # Beside a column of what came in, one of amounts is often the balance or the sum of both.
    money = credit if credit is not None else amount
    assert money is not None
    return Columns(day, money, texts, _place(names, SIGN), _place(names, CURRENCY))


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    found = [known.index(name) for name in names if name in known]
    return names.index(known[min(found)]) if found else None
