"""The page of licences is current, and a package without a licence is named."""

from __future__ import annotations

from email.message import Message

import pytest

from tests.supply import licences
from tests.supply.licences import PAGE, Unknown, _licence, page
from tests.supply.lock import Locked


def test_page_when_requirements_are_installed_then_current():
    assert PAGE.read_text() == page(), "run `make licences`"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("License", "x" * 99)], "BSD License"),
        ([("License", "Apache 2.0")], "Apache 2.0"),
        ([("License", "A whole text\nof many lines")], None),
        ([], None),
    ],
)
def test_licence_when_stated_in_any_way_then_found(monkeypatch, given, expected):
    about = Message()
    for name, value in given:
        about[name] = value
    monkeypatch.setattr(licences.metadata, "metadata", lambda _: about)
    package = Locked("something", "1.0", "", ())
    if expected is None:
        with pytest.raises(Unknown, match="something states no licence"):
            _licence(package)
    else:
        assert _licence(package) == expected
