"""The owner sets levels: what is refused, what the preview says, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from catalog.models import CustomerGroup, GroupMember
from catalog.prices.group_discounts import LevelWouldBeWorse, set_discount
from catalog.prices.levels import set_placed_by
from panel.accounts.roles import MANAGER, set_up_roles
from panel.activity.models import Act
from panel.levels.change import LevelsChanged, drafted_terms, set_levels, state_of_levels
from panel.levels.move import move_customers
from panel.levels.preview import preview_levels
from panel.levels.terms import Terms, current_terms
from panel.lib.own_account import OwnAccount
from panel.site.models import SettingChange
from tests import make
from tests.admin_calls import answer_question
from tests.make import micros
from tests.panel.levels.conftest import placed, put, set_terms, spend
from tests.scenes import at_once, nothing_changes

pytestmark = pytest.mark.django_db

PAGE = "admin:levels_levelmove_set_levels"


def amounts(levels: dict[str, CustomerGroup], **texts: str) -> dict[int, int | None]:
    return {group.pk: micros(texts[name]) if name in texts else None for name, group in levels.items()}


def fields(levels: dict[str, CustomerGroup], **texts: str) -> dict[str, str]:
    return {f"from-{levels[name].pk}": text for name, text in texts.items()}


def ladder() -> list[tuple[str, int]]:
    return [(level.name, level.level_from // 1_000_000) for level in current_terms().levels]


def set_as(
    owner: Any, levels: Any, *, seen: str | None = None, days: int = 0, down: bool = False, **texts: str
) -> None:
    set_levels(
        actor=owner,
        level_from=amounts(levels, **texts),
        period_days=days,
        moves_down=down,
        seen=state_of_levels() if seen is None else seen,
    )


# -- setting ---------------------------------------------------------------------------------------------


def test_levels_when_set_then_stored_with_settings_and_recorded(staff, levels):
    set_as(staff, levels, Bronze="50", Silver="500", Gold="2000", days=90, down=True)
    terms = current_terms()
    assert (ladder(), terms.period_days, terms.moves_down) == (
        [("Bronze", 50), ("Silver", 500), ("Gold", 2_000)],
        90,
        True,
    )
    act = Act.objects.filter(content_type__model="customergroup").get()
    assert act.change_message == "Reached from: $100.00 spent → $50.00 spent"
    assert SettingChange.objects.count() == 2


def test_levels_when_two_change_places_then_stored(staff, levels):
    CustomerGroup.objects.update(discount_bp=500)
    set_as(staff, levels, Bronze="500", Silver="100", Gold="2000")
    assert ladder() == [("Silver", 100), ("Bronze", 500), ("Gold", 2_000)]


def test_levels_when_a_higher_one_gives_less_then_refused(staff, levels):
    with nothing_changes(), pytest.raises(LevelWouldBeWorse, match="“Bronze” would give 1%, less than the 3%"):
        set_as(staff, levels, Silver="100", Bronze="500")


def test_discount_when_a_level_would_give_less_than_a_lower_one_then_refused(levels):
    with nothing_changes(), pytest.raises(LevelWouldBeWorse):
        set_discount(group=levels["Silver"], discount_bp=50, seen=300, actor=None)
    set_discount(group=levels["Friends"], discount_bp=0, seen=2_000, actor=None)


def test_levels_when_somebody_changed_them_meanwhile_then_refused(staff, levels):
    for change in (
        lambda: CustomerGroup.objects.filter(name="Gold").update(discount_bp=600),
        lambda: CustomerGroup.objects.filter(name="Gold").update(level_from=1),
        lambda: set_terms(period_days=7),
    ):
        seen = state_of_levels()
        change()
        with nothing_changes(), pytest.raises(LevelsChanged):
            set_as(staff, levels, Silver="1", seen=seen)


@pytest.mark.django_db(transaction=True)
def test_levels_when_two_owners_save_at_once_then_one_does(staff, levels):
    seen = state_of_levels()
    results = at_once(2, lambda number: set_as(staff, levels, Silver=str(7 + number), seen=seen))
    assert sorted(type(one).__name__ for one in results) == ["LevelsChanged", "NoneType"]
    assert ladder() == [("Silver", 7 + results.index(None))]


# -- the preview ---------------------------------------------------------------------------------------------


@pytest.fixture
def spenders(levels: Any) -> list[Any]:
    """Four customers who spent $600; one is placed by hand, one by levels in Gold, two in no group."""
    found = [make.customer(f"s{number}@example.org") for number in range(4)]
    for customer in found:
        spend(customer, "600")
    put(found[2], levels["Bronze"])
    put(found[3], levels["Gold"], "levels")
    return found


def test_preview_when_shown_then_as_the_round_moves(spenders, levels):
    for moves_down in (False, True):
        terms = drafted_terms(level_from=amounts(levels, Silver="550"), period_days=0, moves_down=moves_down)
        with nothing_changes():
            preview = preview_levels(terms=terms)
        # Gold would be no level any more, and gives more than Silver.
        assert (preview.up, preview.down, preview.held) == (2, int(moves_down), 1)
    assert [(one.email, one.move.is_up) for one in preview.sample] == [
        ("s0@example.org", True),
        ("s1@example.org", True),
        ("s3@example.org", False),
    ]


def test_preview_when_a_level_gives_more_than_there_is_then_says_how_many(levels):
    """Of three services, one earns 2%, one 25%, one is sold by a margin of its own without a limit."""
    make.service(make.provider(), margin_bp=200)
    make.service(make.provider(name="B"), margin_bp=2_500)
    preview = preview_levels(terms=current_terms())
    assert [(one.level.name, one.held_up, one.services) for one in preview.floors] == [
        ("Bronze", 0, 2),
        ("Silver", 1, 2),
        ("Gold", 1, 2),
    ]


def test_preview_when_there_are_no_levels_then_nobody_moves(spenders):
    preview = preview_levels(terms=Terms([], 0, True))
    assert (preview.up, preview.down, preview.held, preview.floors) == (0, 0, 0, [])


# -- the page ------------------------------------------------------------------------------------------------


def test_page_when_previewed_and_saved_then_the_round_moves_as_shown(staff_client, spenders, levels):
    data = {"preview": "1", "period_days": "", **fields(levels, Silver="550", Gold="2,000.50")}
    with nothing_changes():
        page = staff_client.get(reverse(PAGE), data)
    text = page.content.decode()
    assert (page.context["preview"].up, page.context["preview"].held) == (2, 1)
    assert "s0@example.org" in text and "s2@example.org" not in text and "placed by hand" in text.lower()
    sent = {**dict(page.context["sent"]), "seen": page.context["seen"]}
    assert staff_client.post(reverse(PAGE), sent).status_code == 302
    assert [level.level_from for level in current_terms().levels] == [550_000_000, 2_000_500_000]
    assert move_customers() == 2


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        ({"Bronze": "abc"}, "Enter a number such as 12.50."),
        ({"Bronze": "-1"}, "Enter an amount that is not negative."),
        ({"Bronze": "0"}, "Enter an amount above zero"),
        ({"Bronze": "2000000000"}, "out of range"),
        ({"Bronze": "5", "Silver": "5.00"}, "“Bronze” is reached from the same amount"),
        ({"Bronze": "500", "Silver": "100"}, "Customers would pay more for reaching it."),
    ],
)
def test_page_when_amounts_are_wrong_then_says_which_and_changes_nothing(staff_client, levels, texts, error):
    data = {"preview": "1", **fields(levels, **texts)}
    with nothing_changes():
        page = staff_client.get(reverse(PAGE), data)
        assert staff_client.post(reverse(PAGE), {**data, "seen": page.context["seen"]}).status_code == 200
    assert error in page.content.decode() and page.context["preview"] is None


def test_page_when_the_period_is_wrong_then_says_so(staff_client, levels):
    for text in ("4000", "-1", "soon"):
        page = staff_client.get(reverse(PAGE), {"preview": "1", "period_days": text})
        assert page.context["form"].errors["period_days"], text


def test_page_when_it_is_outdated_then_nothing_is_saved(staff_client, levels):
    data = {**fields(levels, Bronze="5"), "seen": "old"}
    with nothing_changes():
        assert "Somebody else changed" in staff_client.post(reverse(PAGE), data).content.decode()


def test_page_when_the_environment_sets_the_period_then_says_so(staff_client, levels, settings):
    settings.LEVELS_PERIOD_DAYS = 30
    data = {"preview": "1", "period_days": "90", **fields(levels, Bronze="5")}
    page = staff_client.get(reverse(PAGE), data)
    sent = {**dict(page.context["sent"]), "seen": page.context["seen"]}
    with nothing_changes():
        assert "The environment sets LEVELS_PERIOD_DAYS" in staff_client.post(reverse(PAGE), sent).content.decode()


def test_page_when_there_are_no_groups_then_leads_to_adding_one(staff_client):
    assert reverse("admin:catalog_customergroup_add") in staff_client.get(reverse(PAGE)).content.decode()


def test_moves_when_listed_then_with_their_reason(staff_client, spenders):
    move_customers()
    text = staff_client.get(reverse("admin:levels_levelmove_changelist")).content.decode()
    assert "$600.00 spent in all: 3% off" in text
    groups = staff_client.get(reverse("admin:catalog_customergroup_changelist")).content.decode()
    assert "$500.00 spent" in groups and "no level" in groups


# -- who placed whom ---------------------------------------------------------------------------------------


def member_page(customer: Any) -> str:
    return reverse("admin:catalog_groupmember_change", args=[customer.pk])


def test_member_when_staff_change_the_group_then_placed_by_a_person(staff_client, customer, levels):
    put(customer, levels["Bronze"], "levels")
    staff_client.post(member_page(customer), {"group": levels["Gold"].pk, "initial-group": levels["Bronze"].pk})
    assert placed(customer) == ("Gold", "person")


def test_member_when_saved_without_a_change_then_placed_as_before(staff_client, customer, levels):
    put(customer, levels["Bronze"], "levels")
    staff_client.post(member_page(customer), {"group": levels["Bronze"].pk, "initial-group": levels["Bronze"].pk})
    assert placed(customer) == ("Bronze", "levels")


def test_members_when_released_and_kept_then_levels_move_or_not(staff_client, staff, customer, levels):
    spend(customer, "600")
    put(customer, levels["Bronze"])
    data = {"action": "let_levels_move", "_selected_action": [customer.pk]}
    answer_question(staff_client, reverse("admin:catalog_groupmember_changelist"), data)
    assert move_customers() == 1 and placed(customer) == ("Silver", "levels")
    data["action"] = "keep_in_group"
    staff_client.post(reverse("admin:catalog_groupmember_changelist"), data)
    spend(customer, "2000")
    assert move_customers() == 0 and placed(customer) == ("Silver", "person")
    assert Act.objects.filter(content_type__model="groupmember").count() == 2


def test_member_when_moved_since_it_was_chosen_then_not_kept_there(staff, customer, levels):
    chosen = put(customer, levels["Bronze"], "levels")
    GroupMember.objects.update(group=levels["Silver"])
    assert set_placed_by(members=[chosen], placed_by=GroupMember.PlacedBy.PERSON, actor=staff) == 0
    assert placed(customer) == ("Silver", "levels")


def test_members_when_one_is_oneself_then_none_is_released(staff_client, staff, customer, levels):
    put(customer, levels["Bronze"])
    own = put(staff, levels["Bronze"])
    with nothing_changes(), pytest.raises(OwnAccount):
        set_placed_by(
            members=[GroupMember.objects.get(customer=customer), own],
            placed_by=GroupMember.PlacedBy.LEVELS,
            actor=staff,
        )
    data = {"action": "let_levels_move", "_selected_action": [customer.pk, staff.pk]}
    staff_client.post(reverse("admin:catalog_groupmember_changelist"), data)
    assert placed(customer) == placed(staff) == ("Bronze", "person")


def test_manager_when_levels_are_concerned_then_sees_moves_alone(client, levels):
    set_up_roles()
    client.force_login(make.staff_member(MANAGER))
    assert client.get(reverse("admin:levels_levelmove_changelist")).status_code == 200
    assert client.get(reverse(PAGE)).status_code == 403
    assert reverse(PAGE) not in client.get(reverse("admin:levels_levelmove_changelist")).content.decode()
