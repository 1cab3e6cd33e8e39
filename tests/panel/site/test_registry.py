"""Every setting reads one text in one way, and refuses what could not work."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest

from panel.lib.crypto import encrypt
from panel.site import groups, stored, submission_times
from panel.site import registry as site
from panel.site.kinds import File, Secret
from panel.site.names import key_variable, sender, user_agent

EACH = pytest.mark.parametrize("setting", groups.SETTINGS.values(), ids=groups.SETTINGS)
SAME_WORDS = (("takipçi", "followers"), ("yt", "youtube", "tube"), ("x", "y"))
SECRET = Secret("GATEWAY_KEY", "Gateway key", default="")


def store(monkeypatch, **texts):
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))


@EACH
def test_setting_when_nothing_is_said_then_the_default(setting):
    assert setting.value == setting.default and not setting.is_locked
    assert setting.label and setting.help and setting.shown(setting.default)


@EACH
def test_setting_when_its_default_is_written_then_read_as_the_same(setting):
    if isinstance(setting, File):
        pytest.skip("no file is the default")
    text = setting.text_of(setting.default)
    assert setting.parse(text) == setting.from_stored(setting.to_store(setting.parse(text))) == setting.default


@EACH
def test_setting_when_text_is_no_text_then_refused_with_a_sentence(setting):
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        setting.parse("\x00\n" + "x" * 600)


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (site.PANEL_NAME, " Harbour Social ", "Harbour Social"),
        (site.PANEL_ACCENT, "#0F766E", "#0f766e"),
        (site.SUPPORT_EMAIL, "", ""),
        (site.SUPPORT_URL, "https://t.me/harbour", "https://t.me/harbour"),
        (site.PUBLIC_SHOP, "Yes", True),
        (site.PUBLIC_SHOP, "0", False),
        (site.UPSTREAM_ADD_TIMEOUT, "2.5", 2.5),
        (site.POLL_INTERVALS, "3, 10,30", (3, 10, 30)),
        (site.API_RATE_PER_KEY, "7/s", "7/s"),
        (site.QUEUE_LIMIT_HOURS, "720", 720),
        (site.SEARCH_WORDS, "takipçi = followers\r\n\r\nyt, youtube = tube;x=y", SAME_WORDS),
    ],
)
def test_parse_when_text_is_good_then_the_value_and_back(setting, text, value):
    assert setting.parse(text) == value == setting.parse(setting.text_of(value))


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (site.PANEL_NAME, " "),
        (site.PANEL_NAME, "x" * 61),
        (site.PANEL_NAME, "A\r\nBcc: x@example.org"),
        (site.PANEL_ACCENT, "#fff"),
        (site.PANEL_ACCENT, "#4f46e5\n"),
        (site.SUPPORT_EMAIL, "help"),
        (site.SUPPORT_URL, "javascript:alert(1)"),
        (site.SUPPORT_URL, "http://t.me/plain"),
        (site.SUPPORT_URL, 'https://x.example/" onclick=x'),
        (site.SUPPORT_URL, "https://[x"),
        (site.PUBLIC_SHOP, "perhaps"),
        (site.SIGN_UP, "closed"),
        (site.QUEUE_LIMIT_HOURS, "0"),
        (site.QUEUE_LIMIT_HOURS, "721"),
        (site.QUEUE_LIMIT_HOURS, "٣"),
        (site.UPSTREAM_ADD_TIMEOUT, "0"),
        (site.UPSTREAM_ADD_TIMEOUT, "nan"),
        (site.UPSTREAM_ADD_TIMEOUT, "1e1"),
        (site.POLL_INTERVALS, ""),
        (site.POLL_INTERVALS, "0,5"),
        (site.POLL_INTERVALS, ",".join(["5"] * 13)),
        (site.API_RATE_PER_KEY, "0/m"),
        (site.API_RATE_PER_KEY, "5/m\n"),
        (site.UPSTREAM_USER_AGENT, "Größer/1"),
        (site.SEARCH_WORDS, "alone"),
        (site.SEARCH_WORDS, "a = b\nalone ="),
        (site.SEARCH_WORDS, "a = b\n" * 201),
        (site.SEARCH_WORDS, "a = " + "b" * 10_000),
    ],
)
def test_parse_when_text_is_bad_then_refused(setting, text):
    with pytest.raises(ValueError, match=r"\.$"):
        setting.parse(text)


def test_value_when_also_set_in_environment_then_environment_wins(settings, monkeypatch):
    store(monkeypatch, PANEL_NAME="Stored", QUEUE_LIMIT_HOURS="5")
    settings.PANEL_NAME = "From the environment"
    assert (site.PANEL_NAME.value, site.PANEL_NAME.is_locked) == ("From the environment", True)
    assert (site.QUEUE_LIMIT_HOURS.value, site.QUEUE_LIMIT_HOURS.is_locked) == (5, False)


def test_value_when_the_stored_text_is_refused_then_the_default(monkeypatch):
    store(monkeypatch, QUEUE_LIMIT_HOURS="soon", PANEL_ACCENT="red", PANEL_LOGO="/evil", OF_ANOTHER_VERSION="x")
    assert (site.QUEUE_LIMIT_HOURS.value, site.PANEL_ACCENT.value, site.PANEL_LOGO.url) == (24, "#4f46e5", "")
    refused = dict(groups.refused(stored.texts()))
    assert set(refused) == {site.QUEUE_LIMIT_HOURS, site.PANEL_ACCENT, site.PANEL_LOGO}
    assert refused[site.PANEL_ACCENT] == "Enter a colour such as #4f46e5."


def test_value_when_text_changes_then_previous_value_is_forgotten(monkeypatch):
    for text, value in (("5", 5), ("soon", 24), ("6", 6)):
        store(monkeypatch, QUEUE_LIMIT_HOURS=text)
        assert site.QUEUE_LIMIT_HOURS.value == value


def test_secret_when_stored_then_encrypted_and_never_shown():
    kept = SECRET.to_store("sk-live-1")
    assert "sk-live" not in kept and SECRET.from_stored(kept) == "sk-live-1"
    assert (SECRET.shown("sk-live-1"), SECRET.shown("")) == ("set", "not set")
    with pytest.raises(ValueError, match="cannot be decrypted"):
        SECRET.from_stored(encrypt("x")[:-4] + "AAAA")


@pytest.mark.parametrize(("timeout", "lease", "is_good"), [("60", "62", True), ("60", "61", False), ("0.5", "3", True)])
def test_conflicts_when_the_lease_ends_before_the_answer_then_told(timeout, lease, is_good):
    found = submission_times.conflicts({"UPSTREAM_ADD_TIMEOUT": timeout, "SUBMISSION_LEASE_SECONDS": lease})
    assert (found == {}) == is_good and set(found) <= {"SUBMISSION_LEASE_SECONDS"}


def test_submission_times_when_sources_disagree_then_lease_is_longer(settings, monkeypatch):
    store(monkeypatch, SUBMISSION_LEASE_SECONDS="30")
    settings.UPSTREAM_ADD_TIMEOUT = "100"
    assert submission_times.submission_times() == (100, 102)


@pytest.mark.parametrize(
    ("name", "agent", "variable", "sent_by"),
    [
        ("Upmark", "Upmark/1", "UPMARK_KEY", "Upmark <panel@localhost>"),
        ("Größe & Co.", "Groe-Co/1", "GROE_CO_KEY", "Größe & Co. <panel@localhost>"),
        ("港湾", "Panel/1", "PANEL_KEY", "港湾 <panel@localhost>"),
        ("24 Likes", "24-Likes/1", "PANEL_KEY", "24 Likes <panel@localhost>"),
    ],
)
def test_names_when_built_from_panel_name_then_valid_where_used(settings, name, agent, variable, sent_by):
    settings.PANEL_NAME, settings.SITE_URL = name, "https://x.example"
    assert user_agent() == f"{agent} (+https://x.example)"
    assert (key_variable(), str(make_header(decode_header(sender())))) == (variable, sent_by)


def test_names_when_the_owner_chose_them_then_theirs(settings):
    settings.UPSTREAM_USER_AGENT, settings.EMAIL_FROM = "Mine/2", "Me <me@example.org>"
    assert (user_agent(), sender()) == ("Mine/2", "Me <me@example.org>")
