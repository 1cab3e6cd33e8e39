"""The examples of the documentation, run as they stand, against a server that checks signatures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.urls import reverse

from billing.intake.crediting import credit_due_payments
from billing.models import Deposit
from billing.wallets import balance_of
from panel.lib.money import MICRO
from tests import make
from tests.billing.intake.calls import signed_method

DOCUMENT = Path(__file__).parents[3] / "docs" / "payments" / "signed-intake.md"
EXAMPLES = dict(re.findall(r"```(python|php|sh)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
RUN = {"python": [sys.executable], "php": ["php"], "sh": ["sh"]}
NEEDS = {"python": [], "php": ["php"], "sh": ["curl", "openssl"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", sorted(EXAMPLES))
def test_example_when_run_twice_then_the_money_is_credited_once(language, live_server, tmp_path):
    if missing := [name for name in NEEDS[language] if shutil.which(name) is None]:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"{missing} are missing")
        pytest.skip(f"needs {missing}")
    method, secret = signed_method()
    alice = make.customer()
    deposit = make.pending_deposit(alice, method=method)
    Deposit.objects.filter(pk=deposit.pk).update(code="7F3C9A2K")
    script = tmp_path / "example"
    script.write_text(EXAMPLES[language])
    address = f"{live_server.url}{reverse('signed_call', args=[method.pk])}"
    environment = {**os.environ, "SECRET": secret, "ADDRESS": address, "no_proxy": "*"}
    answers = [
        subprocess.run(
            [*RUN[language], str(script)], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    # The timestamp, and so the signature, may differ. The message is the same.
    assert [answer.strip() for answer in answers] == ["202", "200"]
    credit_due_payments()
    assert balance_of(customer=alice) == 20 * MICRO
