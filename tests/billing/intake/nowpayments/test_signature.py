"""The signature of NOWPayments' calls: by the vectors, and by JavaScript and PHP themselves."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from billing.intake.doors.nowpayments.signature import is_signed
from tests.gateway.nowpayments import Books, signed_by

FILE = json.loads((Path(__file__).parents[3] / "gateway" / "vectors" / "nowpayments.json").read_text())
VECTORS = {one["name"]: one for one in FILE["vectors"]}
AMBIGUOUS = {one["name"]: one for one in FILE["ambiguous"]}
# As the vendor's samples sign: names sorted at every depth.
NODE = """
const sorted = (o) => Object.keys(o).sort().reduce((r, k) => {
  r[k] = (o[k] && typeof o[k] === "object") ? sorted(o[k]) : o[k]; return r; }, {});
const body = require("fs").readFileSync(0, "utf8");
process.stdout.write(require("crypto").createHmac("sha512", process.env.SECRET)
  .update(JSON.stringify(sorted(JSON.parse(body)))).digest("hex"));
"""
PHP = """
function tksort(&$a) { ksort($a); foreach (array_keys($a) as $k) { if (is_array($a[$k])) { tksort($a[$k]); } } }
$body = json_decode(file_get_contents("php://stdin"), true);
tksort($body);
echo hash_hmac("sha512", json_encode($body, JSON_UNESCAPED_SLASHES), getenv("SECRET"));
"""
SIGNERS = {"node": ["node", "-e", NODE], "php": ["php", "-d", "serialize_precision=-1", "-r", PHP]}


def is_right(vector):
    signature = vector["headers"].get("x-nowpayments-sig", "")
    return is_signed(body=base64.b64decode(vector["body_b64"]), signature=signature, secret=vector["secret"])


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_vector_when_checked_then_as_it_says(name):
    assert is_right(VECTORS[name]) is VECTORS[name]["valid"]


def test_array_when_signed_as_it_stands_then_genuine_and_as_an_object_not():
    """Nobody knows which of the vendor's samples is right: what is refused here is still asked about."""
    assert is_right(AMBIGUOUS["array-php-python"])
    assert not is_right(AMBIGUOUS["array-js"])


@pytest.mark.parametrize("language", sorted(SIGNERS))
def test_signature_when_made_by_another_language_then_genuine(language):
    if shutil.which(language) is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"{language} is missing")
        pytest.skip(f"needs {language}")
    body = b'{"pay_amount":0.000123,"order_id":"panel-7/x","fee":{"z":1,"a":15},"payment_id":5077125051,"a":null}'
    made = subprocess.run(
        SIGNERS[language], input=body, env={**os.environ, "SECRET": "hush"}, capture_output=True, check=True
    )
    signature = made.stdout.decode()
    assert is_signed(body=body, signature=signature, secret="hush")
    assert not is_signed(body=body.replace(b"15", b"16"), signature=signature, secret="hush")


def test_signature_when_the_secret_is_empty_then_nobody_signed():
    facts = {"payment_id": 1}
    body = b'{"payment_id":1}'
    assert is_signed(body=body, signature=signed_by("x", facts), secret="x")
    assert not is_signed(body=body, signature=signed_by("", facts), secret="")


@pytest.mark.parametrize("body", [b'{"a":"\\ud800"}', b'{"a":NaN}', b'{"a":' * 3_000, b'{"a":1' + b"0" * 9_000 + b"}"])
def test_body_when_it_is_strange_then_refused_or_genuine_and_nothing_raised(body):
    assert not is_signed(body=body, signature="0" * 128, secret="hush")
    assert not is_signed(body=body, signature="é", secret="hush")


def test_number_when_it_is_small_then_written_as_javascript_does():
    books = Books()
    asked = {"order_id": "r", "price_amount": "0.00001", "price_currency": "usd"}
    books.create_payment({**asked, "pay_currency": "ltc", "ipn_callback_url": ""})
    body, headers = books.message("r")
    assert b'"pay_amount":1.25e-7' in body and b'"depositFee":1e-7' in body
    assert is_signed(body=body, signature=headers["x-nowpayments-sig"], secret="ipn-secret-1")
