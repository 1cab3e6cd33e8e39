"""Words of banks' files as they are compared: names of columns, and what says in, out or a currency. Pure."""

from __future__ import annotations

import unicodedata

# What says that money went out or came in, as `plain` writes it. Whatever is in neither is not guessed.
OUTGOING = frozenset({
    *("-", "−", "–"),  # noqa: RUF001
    *("d", "dr", "dbit", "debit", "debits", "debet", "debito", "out", "outgoing", "paid out", "money out"),
    *("withdrawal", "s", "soll", "belastung", "lastschrift", "ausgang", "af", "debe", "cargo", "adeudo", "addebito"),
    *("dare", "uscita", "uscite", "b", "borc", "gider", "wy", "wn", "winien", "obciazenie"),
    *("дебет", "расход", "списание"),
})  # fmt: skip
INCOMING = frozenset({
    *("+", "c", "cr", "crdt", "credit", "credits", "kredit", "credito", "in", "incoming", "paid in", "money in"),
    *("deposit", "h", "haben", "gutschrift", "eingang", "bij", "haber", "abono", "ingreso", "accredito", "avere"),
    *("entrata", "entrate", "alacak", "ma", "uznanie", "wplyw"),
    *("кредит", "приход", "поступление", "зачисление"),
})  # fmt: skip
# Codes and signs of currencies that banks write beside an amount; signs that are no letters need not be here.
CURRENCIES = frozenset({
    *("aed", "ars", "aud", "bdt", "bgn", "brl", "cad", "chf", "clp", "cny", "cop", "czk", "dkk", "dzd", "egp", "eur"),
    *("gbp", "gel", "ghs", "hkd", "huf", "idr", "ils", "inr", "isk", "jpy", "kes", "krw", "kzt", "mad", "mxn", "myr"),
    *("ngn", "nok", "nzd", "pen", "php", "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sek", "sgd", "thb", "tnd"),
    *("try", "twd", "tzs", "uah", "ugx", "usd", "usdt", "uyu", "uzs", "vnd", "xaf", "xof", "zar", "zmw"),
    *("a", "ft", "fr", "hk", "kc", "kr", "lei", "r", "rm", "rp", "rs", "tl", "us", "nz", "zl", "грн", "лв", "р", "руб"),
})  # fmt: skip


def plain(text: str) -> str:
    """Return a text in lower case, without accents and what stands in brackets."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    bare = bare.casefold().replace("ı", "i").replace("ł", "l")  # noqa: RUF001
    outside, inside = [], 0
    for one in bare:
        inside += one in "(["
        if not inside:
            outside.append(" " if one in "._-'’\u00a0" else one)  # noqa: RUF001
        inside -= one in ")]" and inside > 0
    return " ".join("".join(outside).replace(" / ", "/").split()).strip(" :*")


def is_incoming(sign: str) -> bool | None:
    """Return what a cell of a column of signs says; None if it says neither in nor out."""
    word = plain(sign) or sign
    return True if word in INCOMING else False if word in OUTGOING else None


def words_beside(amount: str) -> list[str]:
    """Return the words beside a number."""
    letters = unicodedata.normalize("NFC", amount)
    return [plain(word) for word in "".join(one if one.isalpha() else " " for one in letters).split()]


def is_other_currency(amount: str, currency: str) -> bool:
    """Return True if the code of another currency stands beside a number."""
    codes = {word for word in words_beside(amount) if len(word) == 3 and word.isascii() and word in CURRENCIES}
    return bool(codes - {currency.casefold(), "lei"})
