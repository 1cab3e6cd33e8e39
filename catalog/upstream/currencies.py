"""Currencies as providers write them: codes, symbols and names."""

from __future__ import annotations

# Symbols that stand before or behind a number, and the code that each means; "" where several currencies share one.
# fmt: off
SYMBOLS: dict[str, str] = {
    "$": "", "US$": "USD", "S$": "SGD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "HK$": "HKD",
    "NT$": "TWD", "MX$": "MXN", "NZ$": "NZD", "R$": "BRL", "€": "EUR", "£": "GBP", "¥": "", "₹": "INR", "₺": "TRY",
    "₽": "RUB", "₴": "UAH", "₦": "NGN", "₫": "VND", "đ": "VND", "₩": "KRW", "₱": "PHP", "₪": "ILS", "₨": "",
    "฿": "THB", "৳": "BDT", "₸": "KZT", "₼": "AZN", "₾": "GEL", "₡": "CRC", "₲": "PYG", "₵": "GHS", "GH₵": "GHS",
    "₭": "LAK", "₮": "USDT", "Rp": "IDR", "Rp.": "IDR", "Tk": "BDT", "Tk.": "BDT", "RM": "MYR", "R": "ZAR", "Rs": "",
    "Rs.": "", "TL": "TRY", "kr": "", "zł": "PLN", "Kč": "CZK", "лв": "BGN", "руб": "RUB", "руб.": "RUB",
    "грн": "UAH", "KSh": "KES", "Ksh": "KES", "VNĐ": "VND",
}
# fmt: on
_NAMES: dict[str, str] = {
    **dict.fromkeys(("dollar", "dollars", "us dollar", "us dollars", "u.s. dollar", "american dollar"), "USD"),
    **dict.fromkeys(("united states dollar", "usd dollar", "dolar"), "USD"),
    **dict.fromkeys(("euro", "euros"), "EUR"),
    **dict.fromkeys(("tl", "lira", "turkish lira", "türk lirası", "try tl", "ytl"), "TRY"),
    **dict.fromkeys(("rp", "rupiah", "indonesian rupiah", "rupiahs"), "IDR"),
    **dict.fromkeys(("indian rupee", "indian rupees"), "INR"),
    **dict.fromkeys(("real", "reais", "brazilian real"), "BRL"),
    **dict.fromkeys(("ruble", "rubles", "rouble", "rur", "рубль", "рубли", "руб"), "RUB"),
    **dict.fromkeys(("dong", "vnd dong", "vietnamese dong", "đồng", "vnđ", "đ"), "VND"),
    **dict.fromkeys(("naira", "nigerian naira"), "NGN"),
    **dict.fromkeys(("taka", "tk", "bangladeshi taka"), "BDT"),
    **dict.fromkeys(("baht", "thai baht"), "THB"),
    **dict.fromkeys(("ringgit", "malaysian ringgit", "rm"), "MYR"),
    **dict.fromkeys(("pound", "pounds", "pound sterling"), "GBP"),
    **dict.fromkeys(("won", "korean won"), "KRW"),
    **dict.fromkeys(("yen", "japanese yen"), "JPY"),
    **dict.fromkeys(("yuan", "rmb"), "CNY"),
    **dict.fromkeys(("hryvnia", "гривна"), "UAH"),
    **dict.fromkeys(("zloty", "złoty"), "PLN"),
    **dict.fromkeys(("tether", "usdt trc20", "usdt-trc20", "usdt (trc20)", "usdt bep20"), "USDT"),
}
# Currencies in whose amounts a point before three digits groups thousands: "Rp15.000" is 15,000.
_WITHOUT_DECIMALS = frozenset(
    (
        "BIF",
        "CLP",
        "COP",
        "DJF",
        "GNF",
        "HUF",
        "IDR",
        "IQD",
        "IRR",
        "IRT",
        "ISK",
        "JPY",
        "KHR",
        "KMF",
        "KRW",
        "LAK",
        "LBP",
    )
    + ("MGA", "MMK", "PYG", "RWF", "SYP", "TZS", "UGX", "UZS", "VND", "VUV", "XAF", "XOF", "XPF")
)
# Coins that are worth a dollar each: a provider that is set up with USD and bills in one of them bills in dollars.
_DOLLARS = frozenset(("USD", "USDT", "USDC", "BUSD", "TUSD", "DAI"))
MAX_NAME = 30
MAX_CODE = 8


def currency_of(text: str) -> str:
    """Return the code that a code, symbol or name means ("TL", "Rp", "US Dollar"); "" if it is none of them.

    An unknown word of letters is its own code: it differs from all others, which is worth knowing.
    """
    text = " ".join(text[: MAX_NAME + 1].split())
    if text in SYMBOLS:
        return SYMBOLS[text]
    if name := _NAMES.get(text.lower()):
        return name
    return text.upper() if text.isascii() and text.isalpha() and len(text) <= MAX_CODE else ""


def has_decimals(currency: str) -> bool:
    """Return False if amounts of the currency, a code or a name, are whole: a point in them groups thousands."""
    return (currency_of(currency) or currency.upper()) not in _WITHOUT_DECIMALS


def is_same_currency(one: str, other: str) -> bool:
    """Return True if two codes or names mean the same money. Coins that are worth a dollar count as dollars."""
    codes = {currency_of(name) or name.upper() for name in (one, other)}
    return len(codes) == 1 or codes <= _DOLLARS
