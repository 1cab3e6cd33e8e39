"""Answers in the known dialects, and seeded mutations of them."""

from __future__ import annotations

import json
import random
from typing import Any

SERVICE = {"service": 1, "name": "Views", "type": "Default", "category": "Video", "rate": "2.5", "desc": "a\nb"}
SERVICE |= {"min": "200", "max": "10,000", "refill": True, "cancel": 0, "dripfeed": "1"}
STATUS = {"charge": "0.26", "start_count": "3572", "status": "Partial", "remains": "157", "currency": "USD"}

EXAMPLES: list[Any] = [
    *({"order": 23501}, {"order": "ord_01HG9ABC", "charge": "1,234.56"}, {"data": {"order": {"id": 5}}}),
    *({"status": "success", "order_id": "5", "msg": "ok"}, {"order": 5, "error": None, "errors": []}),
    *({"error": "neworder.error.link"}, {"success": False, "msg": "Bad link"}, {"errors": {"link": ["Bad link"]}}),
    *({"status": "fail", "message": "insufficient_balance"}, {"order": 5, "status": "Fail", "charge": "0.1"}),
    *({"balance": "100.84292", "currency": "USD"}, {"data": {"balance": "1,234.5", "currency": "eur"}}, 100.8),
    *([SERVICE], {"services": [SERVICE, SERVICE]}, {"data": {"services": [SERVICE]}}, {"1": SERVICE, "2": SERVICE}),
    *({"1": STATUS, "2": {"error": "Incorrect order ID"}, "ord_3": STATUS}, {"orders": {"1": STATUS, "2": "x"}}),
    *([{"order": 1, **STATUS}, {"id": 2, "status": {"error": "Incorrect order ID"}}], {"0": STATUS, "1": STATUS}),
    *([{"order": 1, "cancel": {"error": "x"}}, {"order": 2, "cancel": 1}], {"1": 1, "2": "Incorrect order ID"}),
    *([{"order": 1, "refill": 55}, {"order": 2, "refill": {"error": "x y"}}], {"1": {"refill": "55"}, "2": "56"}),
    *([{"refill": 1, "status": "Completed"}, {"refill": 2, "status": "Rejected"}], {"1": "Completed"}),
    *([STATUS], {"result": {"1": STATUS}}, {"order": STATUS}, {"1": {**STATUS, "status": 3, "remains": "1.000"}}),
    *({"1": {**STATUS, "status": "Отменён", "charge": "1,234"}}, {"statuses": [{"id": 1, **STATUS, "status": "Done"}]}),
    *(
        [{"order": 1, "cancel": {"status": 1}}],
        {"1": {"cancel": "requested"}},
        {"success": True, "data": {"order": "1"}},
    ),
    *({"status": "Success", "message": "Cancel request received"}, {"refill": {"id": 55, "status": "Pending"}}),
    *(
        {"success": False, "data": {"message": "Order can not be canceled"}},
        {"status": "done"},
        {"refill": "requested"},
    ),
    *({"balance": {"amount": "98.5", "currency": "TL"}}, {"user": {"balance": "Rp15.000"}}, {"balance": {"USD": "9"}}),
    *([{**SERVICE, "name": "A &amp; B", "min": "1.000", "max": "10K", "rate": "S$1.2"}], {"Balance": "98.5 USD"}),
    *(STATUS, {"success": "Your order will be cancelled asap."}, {"refill": {"error": "Incorrect order ID"}}),
]

NAMES = sorted({name for example in EXAMPLES for name in json.dumps(example).split('"')[1::2] if name.isidentifier()})
NAMES += [
    "Error",
    "ERROR",
    "message",
    "reason",
    "description",
    "refills",
    "0",
    "2",
    "",
    " 1",
    "\x00",
    "\ud800",
    "\u202e1",
]

_LONG = "9" * 5_000
_BIDI = "\u202e" * 3_000
# Raw JSON that json.dumps would not write.
VALUES = [
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "1E+999999999999999999999", _LONG, f"-{_LONG}"),
    *(f"1.{_LONG}", f'"{_LONG}"', '"NaN"', '"Infinity"', '"1e999999"', '"1E+30"', "1e18", "1e19", "1e-30", "1e-31"),
    *("0", "-0", "-1", "1", "1.0", "1.5", "23501.0", "9007199254740993.0", "1e3", "10000000000000001", "true", "false"),
    *("null", "[]", "{}", '""', '" "', "[[]]", "[null]", '{"0":{}}', '{"error":"x"}', '{"error":{"a":["b"]}}'),
    *('"\\u0000"', '"a\\u0000b\\u0001"', '"\\ud800"', '"a\\udfffb"', '"\\u202ea\\u2066b\\u200f"', '"\\u061c\\ufeff"'),
    *('"\\u0085a\\u2028b\\u2029c"', '"a\x01b\x7f"', '"a\tb\nc\rd"', '"\u009f\ufff9"', '"ord_\\u202e1"', '"1\\u0000"'),
    *('"1,234.56"', '"1.234,5"', '"12,5"', '"$0.50"', '"-$-1"', '"1 234"', '"0x10"', '"\u0663"', '"1_0"', '"-"', '"."'),
    *(f'"{"x" * 20_000}"', f'"{"İ" * 90}"', f'"{"ß" * 8}"', f'"{_BIDI}a"', f'"{" " * 9_000}a"'),
    *("[" * 50 + "]" * 50, '{"a":' * 50 + "1" + "}" * 50, '{"data":' * 50 + "1" + "}" * 50),
    *(
        '"1.000"',
        '"10K"',
        '"9M"',
        '"Rp15.000"',
        '"&#0;&amp;#x202e;"',
        '"İptal"',
        '"رد"',
        '"999999999999999K"',
        '"1e9M"',
    ),
    *('"Array"', '"success"', '"null"', '"Fail"', '"Canceled"', '"In progress"', '"Incorrect order ID"', '"1, 2"'),
]
TOO_DEEP = ["[" * 2_000 + "]" * 2_000, '{"data":' * 2_000 + "1" + "}" * 2_000]
_BYTES = [
    b"\x00",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b'"',
    b"\\",
    b"{",
    b"]",
    b",",
]
_AROUND = [
    "<br />\n<b>Notice</b>: x [y] in {z}<br />\n",
    "\ufeff",
    "\n",
    "<!-- 0.02s -->",
    '{"order": 7}',
    "\x00",
    "<html>",
]


class Raw(str):
    """Raw JSON."""


class Pairs(list[tuple[str, Any]]):
    """An object that may hold a name twice."""


def body(seed: str) -> bytes:
    """Return a mutated answer, always the same for the same seed."""
    rng = random.Random(seed)
    value = _copy(rng.choice(EXAMPLES))
    for _ in range(rng.randint(1, 5)):
        value = _mutated(value, rng, [*VALUES, *TOO_DEEP] if rng.random() < 0.1 else VALUES)
    text = _written(value)
    if rng.random() < 0.1:
        text = rng.choice(_AROUND) + text
    if rng.random() < 0.1:
        text += rng.choice(_AROUND)
    raw = text.encode("utf-8", "surrogatepass")
    return _damaged(raw, rng) if rng.random() < 0.3 else raw


def row(rng: random.Random, example: dict[str, Any]) -> str:
    """Return a mutated row as JSON, not nested too deeply to be parsed."""
    value = _copy(example)
    for _ in range(rng.randint(1, 4)):
        value = _mutated(value, rng, VALUES)
    return _written(value)


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value), object_pairs_hook=Pairs)


def _containers(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    parts = [part for _, part in value] if isinstance(value, Pairs) else value
    return [value, *(inner for part in parts for inner in _containers(part))]


def _mutated(value: Any, rng: random.Random, values: list[str]) -> Any:
    target = rng.choice(_containers(value) or [None])
    new = Raw(rng.choice(values))
    if not target or rng.random() < 0.05:
        return rng.choice([new, [value], [value, new], Pairs([("data", value), (rng.choice(NAMES), new)])])
    place = rng.randrange(len(target))
    change = rng.choice(["value", "value", "name", "swap", "delete", "insert", "twice"])
    if change == "delete":
        del target[place]
    elif not isinstance(target, Pairs):
        target[place : place + (change == "value")] = [new]
    else:
        name, old = target[place]
        if change == "swap":
            second = rng.randrange(len(target))
            target[place], target[second] = (target[second][0], old), (name, target[second][1])
            return value
        target[place : place + 1] = {
            "value": [(name, new)],
            "name": [(rng.choice(NAMES), old)],
            "insert": [(name, old), (rng.choice(NAMES), new)],
            "twice": [(name, old), (name, new)],
        }[change]
    return value


def _written(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}: {_written(part)}" for name, part in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)


def _damaged(raw: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.randint(0, 6))
        match rng.choice(["flip", "cut", "delete", "double", "insert"]):
            case "flip":
                flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in raw[start:end])
                raw = raw[:start] + flipped + raw[end:]
            case "cut":
                raw = raw[:start]
            case "delete":
                raw = raw[:start] + raw[end:]
            case "double":
                raw = raw[:end] + raw[start:]
            case "insert":
                raw = raw[:start] + rng.choice(_BYTES) + raw[start:]
    return raw
