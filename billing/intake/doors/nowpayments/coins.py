"""Coins by their codes at NOWPayments: how people call them, and the network that the payer must choose."""

from __future__ import annotations

# Offered if the owner names none: known to most, and cheap to send or large.
USUAL = (
    "usdttrc20",
    "btc",
    "ltc",
    "eth",
    "usdterc20",
    "usdtbsc",
    "usdcsol",
    "trx",
    "sol",
    "ton",
    "bnbbsc",
    "doge",
    "xrp",
)

_COINS = {
    "ada": ("ADA", "Cardano"),
    "bch": ("BCH", "Bitcoin Cash"),
    "bnbbsc": ("BNB", "BNB Smart Chain (BEP-20)"),
    "btc": ("BTC", "Bitcoin"),
    "dai": ("DAI", "Ethereum (ERC-20)"),
    "dash": ("DASH", "Dash"),
    "doge": ("DOGE", "Dogecoin"),
    "eth": ("ETH", "Ethereum"),
    "ltc": ("LTC", "Litecoin"),
    "sol": ("SOL", "Solana"),
    "ton": ("TON", "TON"),
    "trx": ("TRX", "TRON"),
    "usdc": ("USDC", "Ethereum (ERC-20)"),
    "usdcbsc": ("USDC", "BNB Smart Chain (BEP-20)"),
    "usdcmatic": ("USDC", "Polygon"),
    "usdcsol": ("USDC", "Solana"),
    "usdtbsc": ("USDT", "BNB Smart Chain (BEP-20)"),
    "usdterc20": ("USDT", "Ethereum (ERC-20)"),
    "usdtmatic": ("USDT", "Polygon"),
    "usdtsol": ("USDT", "Solana"),
    "usdttrc20": ("USDT", "TRON (TRC-20)"),
    "xlm": ("XLM", "Stellar"),
    "xmr": ("XMR", "Monero"),
    "xrp": ("XRP", "XRP Ledger"),
}
# Many payers share an address there, and the memo tells them apart: coins sent without it are not found.
MEMO = frozenset({"atom", "bnbmainnet", "eos", "hbar", "stx", "ton", "xem", "xlm", "xrp"})


def name_of(code: str) -> str:
    """Return the coin as people call it, such as USDT."""
    return _COINS.get(code, (code.upper(), ""))[0]


def network_of(code: str, said: str = "") -> str:
    """Return the coin's network; for one that is not known here, as the gateway said it."""
    return _COINS.get(code, ("", said.upper()))[1]
