"""Keys of providers in paths, headers and tracebacks: hidden by their value and by their look, however encoded."""

from __future__ import annotations

import json
import logging
import re
from urllib.parse import quote, quote_plus

import pytest
import requests
import structlog
import urllib3
from django.test import Client

from panel import logging as panel_logging
from panel.lib.crypto import decrypt, encrypt
from panel.logging import CUT, HIDDEN, MAX_KNOWN, MAX_TEXT, MAX_TRACEBACK, hide_secrets, never_log
from tests.logs import log_lines

# Short, and with all that an address, JSON or HTML would escape. None of it looks like a key.
PLAIN, ODD = "tr0ub4dor", 'ab c/d"é+&=%'
LONG = "0cc175b9c0f1b6a831c399e269772661"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(panel_logging, "_known", {})


def shown(value: object, *, name: str = "event") -> str:
    return json.dumps(hide_secrets(None, "info", {name: value}), ensure_ascii=False)


def encoded(secret: str) -> list[str]:
    every = "".join(f"%{byte:02X}" for byte in secret.encode())
    once = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), every, every.lower()]
    return [*once, *map(quote, once)]


@pytest.mark.parametrize("secret", [PLAIN, ODD])
@pytest.mark.parametrize("place", ["https://p.example/api/{}/v2", "X-Panel-Auth {}", "{{'Auth': '{}'}}", "{}"])
@pytest.mark.parametrize("name", ["event", "exception"])
def test_known_secret_when_encoded_in_any_way_then_hidden(monkeypatch, secret, place, name):
    monkeypatch.setattr(panel_logging, "KEY_IN_PATH", re.compile("(?!)"))
    texts = [place.format(one) for one in encoded(secret)]
    before = [shown(text, name=name) for text in texts]
    assert all(HIDDEN not in one for one in before)  # Nothing else hides it.
    never_log(secret)
    for text in texts:
        assert HIDDEN in shown(text, name=name), text
    for text in (repr(secret), json.dumps(secret), str(secret.encode())):
        assert HIDDEN in shown(text, name=name), text


def test_secret_when_encrypted_or_decrypted_then_no_log_shows_it():
    text = encrypt(PLAIN)
    assert shown(f"x {PLAIN}") == f'{{"event": "x {HIDDEN}"}}'
    panel_logging._known = {}
    assert PLAIN in shown(f"x {PLAIN}")
    decrypt(text)
    assert PLAIN not in shown({"deep": [{"path": f"/{PLAIN}/"}], PLAIN: 1})


@pytest.mark.parametrize("at", range(MAX_TEXT - len(PLAIN) - 2, MAX_TEXT + 1))
def test_known_secret_when_the_cut_goes_through_it_then_hidden(at):
    never_log(PLAIN)
    text = shown(" " * at + PLAIN + " " * 50)
    assert PLAIN[:3] not in text and CUT in text


def test_known_secret_when_a_long_traceback_is_cut_through_it_then_hidden():
    never_log(PLAIN)
    for offset in range(0, 2 * len(PLAIN), 4):
        text = "y\n" * (MAX_TRACEBACK // 4 - 4) + "z" * offset + PLAIN + "\ny" * MAX_TRACEBACK + PLAIN
        found = shown(text, name="exception")
        assert PLAIN[:4] not in found and PLAIN[-4:] not in found


def test_known_secrets_when_too_many_or_short_then_bounded():
    for number in range(MAX_KNOWN + 50):
        never_log(f"secret-{number:05}")
    never_log("short")
    assert len(panel_logging._known) == MAX_KNOWN
    assert HIDDEN in shown(f"x secret-{MAX_KNOWN + 49:05}")
    assert HIDDEN not in shown("x short")


@pytest.mark.parametrize(
    "text",
    [
        f"Not Found: /api/v2/{LONG}",
        f"Max retries exceeded with url: /api/{LONG}/balance?action=x (Caused by …)",
        "GET https://p.example/v2/Zm9vYmFyYmF6cXV4-cXV1eF8x_aa?x=1",
        "https://p.example/123e4567-e89b-12d3-a456-426614174000/services",
        f"Not Found: /api/{''.join(f'%{byte:02x}' for byte in LONG.encode())}",
    ],
)
def test_path_when_a_part_looks_like_a_key_then_hidden(text):
    assert HIDDEN in shown(text)
    assert LONG not in shown(text) and "Zm9v" not in shown(text) and "e4567" not in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /orders/12345/summary/",
        "Not Found: /static/app.0cc175b9c0f1b6a831c399e269772661.js",
        'File "/srv/upmark/catalog/upstream/sending.py", line 12',
        "/srv/backups/upmark-20261130T021500.000000Z",
        "/var/lib/python3.11/site-packages/prompt_toolkit/key_binding/",
        "https://example.com/a-name-of-many-words-without-figures",
    ],
)
def test_path_when_it_is_an_ordinary_one_then_unchanged(text):
    assert shown(text) == json.dumps({"event": text}, ensure_ascii=False)


def test_request_when_it_fails_with_a_key_in_path_and_header_then_no_line_shows_it():
    """A traceback of requests and urllib3 holds the whole address, and http.client's error the header."""
    key = decrypt(encrypt(PLAIN))
    with log_lines() as stream:
        for headers in ({"X-Panel-Auth": key}, {"X-Panel-Auth": f"{key}\n"}):
            try:
                requests.get(f"http://127.0.0.1:1/api/{quote(key)}/v2", headers=headers, timeout=1)
            except requests.RequestException as error:
                logging.getLogger("some.library").exception("failed")
                structlog.get_logger("panel.test").warning("failed", error=error, headers=headers)
        try:
            urllib3.PoolManager(retries=False).request("GET", f"http://127.0.0.1:1/{key}")
        except urllib3.exceptions.HTTPError:
            structlog.get_logger("panel.test").exception("failed")
    text = stream.getvalue()
    assert key not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert "NewConnectionError" in lines[0]["exception"] and f"/api/{HIDDEN}/v2" in lines[0]["exception"]
    assert "InvalidHeader" in lines[2]["exception"]


def test_requests_when_a_customers_key_is_in_the_path_then_hidden():
    with log_lines() as stream:
        Client().get(f"/nothing/{LONG}")
        Client().get(f"/nothing/?key={PLAIN}")
    assert LONG not in stream.getvalue() and PLAIN not in stream.getvalue()
    assert HIDDEN in stream.getvalue()
