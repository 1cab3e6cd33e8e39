"""`check --deploy` refuses what cannot work, and accepts a proper installation without a word."""

from __future__ import annotations

import re

import pytest
from django.core.checks import run_checks

from panel.deploy_checks import is_public
from panel.env_file import write_env
from tests.commands import SECRETS, run_python

SMTP = "django.core.mail.backends.smtp.EmailBackend"
REDIS = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}}
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
# The settings of a proper installation behind a proxy.
PROPER = {
    "EMAIL_BACKEND": SMTP,
    "EMAIL_FROM": "Panel <panel@example.com>",
    "USES_SQLITE": False,
    "EMBEDDED_BROKER": False,
    "CACHES": REDIS,
    "SITE_URL": "https://panel.example.com",
    "SECURE": True,
    "BEHIND_PROXY": True,
    "UPSTREAM_ALLOW_PRIVATE": False,
    "PAYMENT_PRIVATE_HOSTS": frozenset({"btcpay.lan", "10.0.0.5:23000", "127.0.0.1:23000", "[fd00::5]"}),
    "SECURE_HSTS_PRELOAD": False,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
}


def errors(*, deploy: bool = True) -> dict[str, str | None]:
    """Return the hints of the errors of `panel.deploy_checks` by their id."""
    found = run_checks(include_deployment_checks=deploy)
    return {one.id: one.hint for one in found if re.fullmatch(r"panel\.E02\d", one.id or "")}


@pytest.fixture
def proper(settings):
    for name, value in PROPER.items():
        setattr(settings, name, value)
    return settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, set()),
        ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, {"panel.E020"}),
        ({"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}, {"panel.E020"}),
        ({"EMAIL_FROM": None}, {"panel.E021"}),
        ({"EMBEDDED_BROKER": True}, {"panel.E022"}),
        ({"CACHES": LOCAL}, {"panel.E023"}),
        ({"CACHES": DUMMY}, {"panel.E023"}),
        ({"EMBEDDED_BROKER": True, "CACHES": LOCAL, "USES_SQLITE": True}, set()),
        ({"BEHIND_PROXY": None}, {"panel.E024"}),
        ({"BEHIND_PROXY": False}, set()),
        ({"BEHIND_PROXY": None, "SECURE": False, "SITE_URL": "http://panel.example.com"}, set()),
        ({"UPSTREAM_ALLOW_PRIVATE": True}, {"panel.E025"}),
        ({"UPSTREAM_ALLOW_PRIVATE": True, "SITE_URL": "http://panel.example.com"}, {"panel.E025"}),
        ({"UPSTREAM_ALLOW_PRIVATE": True, "SITE_URL": "http://localhost:8000"}, set()),
        *(
            ({"PAYMENT_PRIVATE_HOSTS": frozenset({wrong})}, {"panel.E027"})
            for wrong in (
                *("https://btcpay.lan", "btcpay.lan/path", "*.lan", "a@btcpay.lan", "btcpay.lan:port", "[::1", ":80"),
                *("8.8.8.8", "8.8.8.8:443", "169.254.169.254", "0.0.0.0"),
            )
        ),
        ({"SECURE_HSTS_PRELOAD": True}, {"panel.E026"}),
        ({"SECURE_HSTS_PRELOAD": True, "SECURE_HSTS_INCLUDE_SUBDOMAINS": True}, set()),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": True}, set()),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": True, "SECURE": False}, {"panel.E026"}),
    ],
    ids=str,
)
def test_deploy_check_when_something_cannot_work_then_error_with_hint(proper, given, expected):
    for name, value in given.items():
        setattr(proper, name, value)
    found = errors()
    assert set(found) == expected
    assert all(found.values())


def test_deploy_checks_when_a_server_starts_then_they_do_not_run(proper):
    proper.EMAIL_FROM = proper.BEHIND_PROXY = None
    assert errors(deploy=False) == {}


@pytest.mark.parametrize("host", ["panel.example.com", "8.8.8.8", "2606:4700:4700::1111"])
def test_host_when_customers_reach_it_then_public(host):
    assert is_public(host)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "10.0.0.5", "::1", "web", "panel.test", ""])
def test_host_when_nobody_else_reaches_it_then_not_public(host):
    assert not is_public(host)


ENVIRONMENT = {
    "SITE_URL": "https://panel.example.com",
    "DATABASE_URL": "postgres://panel:pw@127.0.0.1:1/panel",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CACHE_URL": "rediscache://127.0.0.1:1/1",
    "EMAIL_URL": "smtp+tls://user:password@127.0.0.1:1",
    "EMAIL_FROM": "Panel <panel@example.com>",
    "BEHIND_PROXY": "true",
}


@pytest.mark.once
def test_deploy_check_when_set_up_as_the_readme_says_then_no_message(tmp_path):
    write_env(tmp_path / ".env")
    command = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    run = run_python(*command, ENV_FILE=str(tmp_path / ".env"), **ENVIRONMENT)
    assert run.returncode == 0, run.stderr


@pytest.mark.once
def test_deploy_check_when_only_secrets_and_address_given_then_each_named(tmp_path):
    write_env(tmp_path / ".env")
    given = {name: ENVIRONMENT[name] for name in ("SITE_URL", "DATABASE_URL")}
    run = run_python("manage.py", "check", "--deploy", ENV_FILE=str(tmp_path / ".env"), **given)
    assert run.returncode == 1
    assert sorted(re.findall(r"\((panel\.E\d+)\)", run.stderr)) == [f"panel.E02{one}" for one in range(5)], run.stderr


@pytest.mark.once
def test_hsts_when_more_is_asked_for_then_only_that_is_set():
    code = """
import os, runpy
for more in ({}, {"HSTS_INCLUDE_SUBDOMAINS": "true"}, {"HSTS_PRELOAD": "true"}):
    os.environ.update(more)
    found = runpy.run_module("panel.settings")
    print(*(found[f"SECURE_HSTS_{name}"] for name in ("SECONDS", "INCLUDE_SUBDOMAINS", "PRELOAD")))
"""
    run = run_python("-c", code, **SECRETS, SITE_URL="https://panel.example.com")
    assert run.stdout.split("\n")[:3] == ["31536000 False False", "31536000 True False", "31536000 True True"], (
        run.stderr
    )
