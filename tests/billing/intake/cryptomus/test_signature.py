"""The signature, against vectors of other implementations and against PHP and node where these are installed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from billing.intake.doors.cryptomus.signature import read_signed, sign
from panel.lib.signatures import BadSignature
from tests.gateway import cryptomus

VECTORS = json.loads((Path(cryptomus.__file__).parent / "vectors" / "heleket.json").read_text())
TOLD = {
    "type": "payment",
    "order_id": "panel-7-3c9a",
    "additional_data": 'Größe €5 / "sign":"x"',
    "convert": {"rate": None, "commission": []},
    "amount": "20.00",
    "is_final": True,
}
# Each signs what comes in as it signs a request, and as a call with its member.
PHP = """
$told = json_decode(stream_get_contents(STDIN), true);
$body = json_encode($told, JSON_UNESCAPED_UNICODE);
$told['sign'] = md5(base64_encode($body) . $argv[1]);
echo json_encode($told, JSON_UNESCAPED_UNICODE);
"""
NODE = """
const told = JSON.parse(require("fs").readFileSync(0, "utf8")), body = JSON.stringify(told);
const text = Buffer.from(body).toString("base64") + process.argv[1];
told.sign = require("crypto").createHash("md5").update(text).digest("hex");
process.stdout.write(JSON.stringify(told));
"""
COMMANDS = {"php": ["php", "-r", PHP], "node": ["node", "-e", NODE]}


def body_of(vector):
    return base64.b64decode(vector["body_b64"])


def is_genuine(body, key):
    try:
        return bool(read_signed(body, key))
    except BadSignature:
        return False


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_call_when_of_the_vectors_then_genuine_as_they_say(vector):
    assert is_genuine(body_of(vector), vector["secret"]) is vector["valid"], vector["why"]


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_request_when_of_the_vectors_then_signed_as_they_say(vector):
    signed = sign(body_of(vector), vector["secret"])
    assert (signed == vector["headers"]["sign"]) is vector["valid"], vector["why"]


@pytest.mark.parametrize("language", sorted(COMMANDS))
def test_call_when_signed_by_another_language_then_genuine(language):
    if shutil.which(language) is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"{language} is missing")
        pytest.skip(f"needs {language}")
    command = COMMANDS[language]
    arguments = [*command, *(["--"] if language == "php" else []), cryptomus.KEY]
    body = subprocess.run(arguments, input=json.dumps(TOLD).encode(), capture_output=True, check=True).stdout
    assert read_signed(body, cryptomus.KEY)["order_id"] == TOLD["order_id"]
    assert not is_genuine(body, cryptomus.PAYOUT_KEY)


def test_call_when_its_sign_is_there_twice_then_not_genuine():
    """Cut out at both places, it would leave bytes that were once signed."""
    signature = sign(b'{"a":{"b":1},"c":2}', cryptomus.KEY).encode()
    assert is_genuine(b'{"a":{"b":1},"c":2,"sign":"%s"}' % signature, cryptomus.KEY)
    assert not is_genuine(b'{"a":{"b":1,"sign":"%s"},"c":2,"sign":"%s"}' % (signature, signature), cryptomus.KEY)


@pytest.mark.parametrize(
    "body",
    [
        b'{"sign":"%s"}' % b"0" * 32,
        b'{"sign" : "0"}',
        b'{"sign":"\\ud800"}',
        b'{"sign":""}',
        b'{"a":{"sign":"0"}}',
        b'{"sign":"0","a":{"sign":"0"}}',
        b'{"sign":"0","sign":"0"}',
        b'{"si\\u0067n":"0","a":{"sign":"0"}}',
        b'{"a":NaN,"sign":"0"}',
    ],
)
def test_call_when_its_sign_is_ambiguous_or_odd_then_not_genuine(body):
    assert not is_genuine(body, cryptomus.KEY)
