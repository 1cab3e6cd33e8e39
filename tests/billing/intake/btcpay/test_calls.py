"""Calls of BTCPay Server: which are genuine, and what they are about."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from billing.intake.calls import Call
from billing.intake.doors import btcpay
from billing.intake.doors.btcpay import BTCPay
from panel.lib.signatures import BadSignature
from tests.gateway import greenfield

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())["vectors"]

door = BTCPay()


def is_genuine(body: bytes, headers: dict[str, str], secret: str) -> bool:
    headers = {name.lower(): value for name, value in headers.items()}
    try:
        door.verify(Call(headers, body, len(body), ""), {"secret": secret})
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_call_when_of_a_vector_then_as_it_says(vector):
    body = base64.b64decode(vector["body_b64"])
    assert is_genuine(body, vector["headers"], vector["secret"]) is vector["valid"], vector["why"]


def test_call_when_the_stored_secret_is_empty_then_no_call_is_genuine():
    body = b'{"invoiceId": "x"}'
    for secret in ("", None):
        with pytest.raises(BadSignature, match="No secret"):
            headers = {"btcpay-sig": greenfield.signature(body, "")}
            door.verify(Call(headers, body, len(body), ""), {"secret": secret} if secret is not None else {})


SIGNERS = {
    "node": [
        "node",
        "-e",
        "const c=require('crypto'),b=require('fs').readFileSync(0);"
        "process.stdout.write('sha256='+c.createHmac('sha256',process.env.SECRET).update(b).digest('hex'))",
    ],
    "php": ["php", "-r", "echo 'sha256='.hash_hmac('sha256',file_get_contents('php://stdin'),getenv('SECRET'));"],
}


@pytest.mark.parametrize("language", sorted(SIGNERS))
def test_call_when_signed_by_another_language_then_genuine(language):
    if shutil.which(language) is None:
        pytest.skip(f"needs {language}")
    body = json.dumps({"invoiceId": "K9n", "note": "ünï"}, indent=2, ensure_ascii=False).encode()
    run = subprocess.run(
        SIGNERS[language], input=body, env={**os.environ, "SECRET": "a secret, söme"}, capture_output=True, check=True
    )
    assert is_genuine(body, {"BTCPay-Sig": run.stdout.decode()}, "a secret, söme")


def told_of(**event):
    body = json.dumps(event).encode()
    headers = {"btcpay-sig": greenfield.signature(body, greenfield.SECRET)}
    return door.verify(Call(headers, body, len(body), ""), {"secret": greenfield.SECRET, "host": greenfield.SITE})


def test_call_when_redelivered_then_it_has_the_id_of_the_first():
    first = told_of(originalDeliveryId="8uQ", deliveryId="8uQ", invoiceId="K9n", type="InvoiceSettled")
    again = told_of(originalDeliveryId="8uQ", deliveryId="2bb", invoiceId="K9n", type="InvoiceSettled")
    assert first.call_id == again.call_id == "8uQ"


@pytest.mark.parametrize("wrong", [None, 7, "", "x" * 65, ["8uQ"]])
def test_call_when_its_id_is_unusable_then_a_digest_of_it(wrong):
    assert len(told_of(originalDeliveryId=wrong, invoiceId="K9n", type="InvoiceSettled").call_id) == 64


@pytest.mark.parametrize(
    ("event", "is_ignored"),
    [(name, False) for name in btcpay.EVENTS] + [("PayoutCreated", True), ("InvoiceSomethingNew", True), (7, True)],
)
def test_call_when_of_a_type_then_only_those_of_payments_count(event, is_ignored):
    assert told_of(type=event, invoiceId="K9n").is_ignored is is_ignored


def test_call_when_the_owner_tests_the_webhook_then_a_test():
    assert told_of(type="InvoiceSettled", invoiceId="__test__d9__test__").is_test
    assert told_of(type="PaymentRequestCreated", payoutId="__test__d9__test__").is_ignored
