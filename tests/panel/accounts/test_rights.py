"""The table of rights: complete, and in step with the roles that come with the panel."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.contrib.admin import site

from panel.accounts.rights import (
    OWNER_ALONE,
    RIGHTS_BY_KEY,
    SECTIONS,
    SEE_COSTS,
    in_words,
    permissions_of_rights,
    rights_in,
    with_needed,
)
from panel.accounts.roles import MANAGER, OUR_APPS, ROLES, SUPPORT

OFFERED = permissions_of_rights(RIGHTS_BY_KEY)
FOLDERS = ("billing", "catalog", "orders", "panel")


def asked_in_code() -> set[str]:
    """Return the permissions that the code names, and those by which the admin opens the pages of its models."""
    named = re.compile(rf'"((?:{"|".join(OUR_APPS)})\.(?:view|add|change|delete|connect|decide|grant)_[a-z_]+)"')
    files = [file for folder in FOLDERS for file in Path(settings.BASE_DIR, folder).rglob("*.py")]
    return {found for file in files for found in named.findall(file.read_text())}


def test_permission_when_the_code_asks_for_it_then_offered_or_the_owners():
    unknown = asked_in_code() - OFFERED - OWNER_ALONE
    assert not unknown, f"say in panel/accounts/rights.py to which right these belong: {unknown}"


def test_model_when_it_has_a_page_then_seeing_it_is_a_right():
    labels = {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in site._registry}
    ours = {label for label in labels if label.partition(".")[0] in OUR_APPS}
    # Seen with another right: orders in review, late ones and their requests with orders, the reckoning with profit,
    # roles with handing them out, days and lines of banks with payments.
    elsewhere = {
        "billing.view_bankline",
        "billing.view_comparedday",
        "orders.view_cancelrequest",
        "orders.view_orderinreview",
        "orders.view_refill",
        "orders.view_lateorders",
        "orders.view_moneyday",
        "accounts.view_role",
    }
    assert ours - OFFERED - OWNER_ALONE == elsewhere


def test_rights_when_offered_then_none_is_the_owners_alone():
    assert not OFFERED & OWNER_ALONE
    for role in (MANAGER, SUPPORT):
        assert not ROLES[role] & OWNER_ALONE


def test_built_in_roles_when_compared_then_they_are_made_of_rights():
    for role in (MANAGER, SUPPORT):
        rights = rights_in(ROLES[role])
        assert permissions_of_rights(rights) == ROLES[role], role
        assert with_needed(rights) == rights, role


def test_rights_when_listed_then_each_is_told_by_its_first_permission():
    firsts = [right.permissions[0] for right in RIGHTS_BY_KEY.values()]
    assert len(set(firsts)) == len(firsts)
    assert len(RIGHTS_BY_KEY) == sum(len(section.rights) for section in SECTIONS)
    assert len(set(in_words(RIGHTS_BY_KEY))) == len(RIGHTS_BY_KEY)


def test_rights_when_they_show_costs_then_they_need_the_right_to():
    """Pages of these show costs throughout: only who may see costs is let in."""
    showing = [key for key, right in RIGHTS_BY_KEY.items() if any(one[:8] == "catalog." for one in right.permissions)]
    assert showing
    for key in (*showing, "see_log"):
        assert SEE_COSTS in permissions_of_rights([key]), key


def test_right_when_it_needs_others_then_they_come_with_it():
    assert with_needed(["change_terms"]) == {"change_terms", "see_terms", "see_costs", "see_orders"}
