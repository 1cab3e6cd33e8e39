"""Bank statements in the admin: bringing one in, approving what is sure, and deciding line by line."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.deposits import approve_deposit
from billing.models import BankLine, Deposit
from billing.wallets import balance_of
from panel.accounts.roles import OWNER, SUPPORT, set_up_roles
from panel.lib.money import MICRO
from panel.ops.pruning.old_rows import prune_bank_lines
from panel.staff.kinds import DEFAULTS, Limit
from panel.staff.limits import store_limits
from panel.staff.looks import LookRefused, confirm_look
from panel.staff.models import SecondLook, StaffDeed
from tests import make
from tests.admin_calls import WHY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

MATCH = reverse("admin:billing_bankline_match")
UPLOAD = reverse("admin:billing_bankline_upload")
SURE = reverse("admin:billing_bankline_approve_sure")
KEPT = re.compile(r'name="kept" value="([^"]+)"')


@pytest.fixture
def method():
    return make.payment_method(bonus_bp=500)


@pytest.fixture
def alice():
    return make.customer("alice@example.org")


@pytest.fixture
def deposit(alice, method):
    return make.pending_deposit(alice, method=method)


def statement(*rows: str, header: str = "Date;Amount;Text") -> str:
    today = timezone.localdate().isoformat()
    return "\n".join([header, *(f"{today};{row}" for row in rows)])


def send(client, method, text, **data):
    file = SimpleUploadedFile("bank.csv", text if isinstance(text, bytes) else text.encode(), content_type="text/csv")
    return client.post(UPLOAD, {"method": method.pk, "file": file, **data}, follow=True).content.decode()


def bring_in(client, method, *rows):
    """Upload a statement and confirm what it says."""
    page = send(client, method, statement(*rows))
    kept = KEPT.search(page)
    assert kept, page
    columns = {"day": 0, "amount": 1, "texts": [2], "store": "1"}
    return client.post(UPLOAD, {"method": method.pk, "kept": kept[1], **columns}, follow=True).content.decode()


def decide(client, line, name, *, seen="waiting", **data):
    return client.post(reverse(f"admin:billing_bankline_{name}", args=[line.pk]), {"seen": seen, **WHY, **data})


def approve_sure(client, method, **data):
    address = f"{SURE}?method={method.pk}"
    seen = client.get(address).context["seen"]
    return client.post(address, {"seen": seen, **WHY, **data}, follow=True)


def texts_of(answer) -> str:
    return " ".join(map(str, answer.context["messages"])) if answer.context else ""


def test_statement_when_uploaded_then_shown_first_and_stored_when_confirmed(staff_client, method):
    page = send(staff_client, method, statement("20,00;a", "-5,00;rent", "1.000,50;<b>b</b>"))
    assert "2 lines" in page and "$1,020.50" in page and "&lt;b&gt;b" in page
    assert not BankLine.objects.exists()
    assert "2 lines came in" in bring_in(staff_client, method, "20,00;a", "-5,00;rent", "1.000,50;b")
    again = bring_in(staff_client, method, "20,00;a", "1.000,50;b")
    assert "0 lines came in by Bank transfer. 2 were known." in again
    assert "not stored again: line 2: $20.00 of " in again and "; line 3: $1,000.50 of " in again
    assert BankLine.objects.count() == 2


def test_statement_when_its_columns_are_unknown_then_the_owner_chooses(staff_client, method):
    page = send(staff_client, method, statement("20,00;a", header="When;How much;Why"))
    assert "names of its columns are not known" in page and "How much (such as “20,00”)" in page
    kept = KEPT.search(page)[1]
    data = {"method": method.pk, "kept": kept, "day": 0, "amount": 1, "texts": [2]}
    assert "Bring in 1 line" in staff_client.post(UPLOAD, data).content.decode()
    staff_client.post(UPLOAD, {**data, "store": "1"})
    assert BankLine.objects.get().text == "a"


def test_statement_when_the_order_of_days_is_open_then_asked_before_it_is_stored(staff_client, method):
    page = send(staff_client, method, "Date,Amount\n03/04/2026,5.00\n")
    assert "whether the day or the month is first" in page and 'name="store"' not in page
    data = {"method": method.pk, "kept": KEPT.search(page)[1], "day": 0, "amount": 1, "store": "1"}
    staff_client.post(UPLOAD, data)
    assert not BankLine.objects.exists()
    staff_client.post(UPLOAD, {**data, "order": "mdy"})
    assert BankLine.objects.get().day.isoformat() == "2026-03-04"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\0\0PK", "not a CSV"),
        (b"x" * 600_000, "larger than"),
        (b'a;"b\n1;2', "not CSV"),
    ],
)
def test_statement_when_it_is_none_then_told_why_and_nothing_stored(staff_client, method, content, told):
    page = send(staff_client, method, content)
    assert told in page and "Nothing was stored." in page
    assert not BankLine.objects.exists()


def test_statement_when_kept_by_somebody_else_or_altered_then_refused(staff_client, method):
    kept = KEPT.search(send(staff_client, method, statement("20,00;a")))[1]
    colleague = Client()
    colleague.force_login(make.owner("second@example.org"))
    other = make.payment_method(name="Other")
    data = {"method": method.pk, "day": 0, "amount": 1, "store": "1"}
    for client, sent in (
        (colleague, {**data, "kept": kept}),
        (staff_client, {**data, "kept": kept[:-4] + "AAAA"}),
        (staff_client, {**data, "kept": ""}),
        (staff_client, {**data, "kept": kept, "method": other.pk}),
    ):
        answer = client.post(UPLOAD, sent, follow=True).content.decode()
        assert "too old to confirm" in answer
    assert not BankLine.objects.exists()


# -- all that are sure -----------------------------------------------------------------------------------


def test_sure_lines_when_approved_then_as_the_preview_says_and_once(staff_client, method, alice, deposit):
    other = make.pending_deposit(make.customer("bob@example.org"), "50", method=method)
    bring_in(staff_client, method, f"100,00;UPM {deposit.code}", f"50,00;{other.code}", "70,00;nobody's")
    assert "Approve all 2: $150.00" in staff_client.get(MATCH).content.decode()
    preview = staff_client.get(f"{SURE}?method={method.pk}")
    text = preview.content.decode()
    assert (
        "$150.00" in text
        and "$7.50</bdi> of bonuses" in text
        and "alice@example.org" in text
        and "<bdi>$5.00</bdi> bonus" in text
    )
    assert balance_of(customer=alice) == 0
    done = approve_sure(staff_client, method)
    assert "2 lines approved: $157.50 was added" in texts_of(done)
    again = staff_client.post(f"{SURE}?method={method.pk}", {"seen": preview.context["seen"], **WHY})
    assert "It changed since you opened this page" in again.content.decode()
    assert balance_of(customer=alice) == 105 * MICRO
    assert sorted(BankLine.objects.values_list("state", flat=True)) == ["approved", "approved", "waiting"]
    assert StaffDeed.objects.count() == 2


def test_sure_lines_when_one_was_approved_by_hand_meanwhile_then_nothing_is_done(staff_client, staff, method, deposit):
    bring_in(staff_client, method, f"100,00;{deposit.code}")
    seen = staff_client.get(f"{SURE}?method={method.pk}").context["seen"]
    approve_deposit(deposit_id=deposit.pk, credited=MICRO, actor=staff)
    answer = staff_client.post(f"{SURE}?method={method.pk}", {"seen": seen, **WHY}).content.decode()
    assert "It changed since you opened this page" in answer
    assert BankLine.objects.get().state == "waiting"


def test_sure_lines_when_more_came_since_the_preview_then_none_is_approved_unseen(staff_client, method, alice, deposit):
    bring_in(staff_client, method, f"100,00;{deposit.code}")
    seen = staff_client.get(f"{SURE}?method={method.pk}").context["seen"]
    other = make.pending_deposit(alice, "50", method=method)
    bring_in(staff_client, method, f"50,00;{other.code}")
    answer = staff_client.post(f"{SURE}?method={method.pk}", {"seen": seen, **WHY}).content.decode()
    assert "It changed since you opened this page" in answer
    assert balance_of(customer=alice) == 0


def test_sure_lines_when_one_is_ones_own_then_the_others_are_approved(staff_client, staff, method, deposit, alice):
    own = make.pending_deposit(staff, method=method)
    bring_in(staff_client, method, f"100,00;{own.code}", f"100,00;{deposit.code}")
    told = texts_of(approve_sure(staff_client, method))
    assert "1 line approved" in told and "1 line left as before: This belongs to your own account" in told
    assert (balance_of(customer=staff), balance_of(customer=alice)) == (0, 105 * MICRO)


def test_sure_lines_when_above_the_limit_then_a_second_person_carries_them_out_once(
    staff_client, method, deposit, alice
):
    set_up_roles()
    store_limits(dict.fromkeys(DEFAULTS, Limit(0, 0)))
    second = make.staff_member(OWNER, "second@example.org")
    bring_in(staff_client, method, f"100,00;{deposit.code}")
    for _ in range(2):
        assert "wait for a second person" in texts_of(approve_sure(staff_client, method))
    look = SecondLook.objects.get()
    assert "Waits for a second person." in staff_client.get(MATCH).content.decode()
    assert "$105.00 was added" in confirm_look(look=look, actor=second)
    with pytest.raises(LookRefused):
        confirm_look(look=look, actor=second)
    assert (balance_of(customer=alice), BankLine.objects.get().deposit) == (105 * MICRO, deposit)


# -- one by one ------------------------------------------------------------------------------------------


def test_line_when_approved_for_a_proposal_or_a_number_then_its_amount_is_credited(
    staff_client, method, deposit, alice
):
    other = make.pending_deposit(alice, "40", method=method)
    bring_in(staff_client, method, "95,00;from Alice", "40,00;x")
    second, first = BankLine.objects.order_by("amount")
    assert decide(staff_client, first, "approve", other=str(deposit.pk)).status_code == 302
    assert decide(staff_client, second, "approve", proposal=str(other.pk)).status_code == 302
    deposit.refresh_from_db()
    assert (deposit.state, deposit.credited, first.deposit_id) == ("approved", 95 * MICRO, None)
    assert set(BankLine.objects.values_list("deposit", flat=True)) == {deposit.pk, other.pk}


def test_line_when_a_request_is_sure_then_chosen_already_and_else_not(staff_client, method, deposit, alice):
    make.pending_deposit(alice, "40", method=method)
    bring_in(staff_client, method, f"100,00;{deposit.code}", "3,00;x", "40,00;likely only")

    def chosen(amount):
        line = BankLine.objects.get(amount=amount * MICRO)
        page = staff_client.get(reverse("admin:billing_bankline_approve", args=[line.pk]))
        return page.context["form"]["proposal"].value()

    assert (chosen(100), chosen(3), chosen(40)) == (deposit.pk, "", "")


@pytest.mark.parametrize(
    ("number", "told"),
    [("", "Say which request"), ("x", "Say which request"), ("999999", "no request with")],
)
def test_line_when_the_request_is_none_then_told_and_nothing_moves(staff_client, method, deposit, number, told):
    bring_in(staff_client, method, "95,00;a")
    assert told in decide(staff_client, BankLine.objects.get(), "approve", other=number).content.decode()
    assert BankLine.objects.get().state == "waiting"


def test_line_when_its_request_was_approved_by_hand_meanwhile_then_clear_words(staff_client, staff, method, deposit):
    bring_in(staff_client, method, "95,00;a")
    approve_deposit(deposit_id=deposit.pk, credited=MICRO, actor=staff)
    answer = decide(staff_client, BankLine.objects.get(), "approve", other=str(deposit.pk)).content.decode()
    assert f"Request {deposit.pk} is added already." in answer
    assert BankLine.objects.get().state == "waiting"


def test_line_when_decided_twice_then_the_second_is_refused(staff_client, method, deposit):
    bring_in(staff_client, method, "95,00;a")
    line = BankLine.objects.get()
    decide(staff_client, line, "dismiss", note="Rent")
    assert "It changed since" in decide(staff_client, line, "approve", other=str(deposit.pk)).content.decode()
    assert "It changed since" in decide(staff_client, line, "dismiss", note="Rent").content.decode()
    line.refresh_from_db()
    assert (line.state, line.note, Deposit.objects.get().state) == ("dismissed", "Rent", "pending")
    assert decide(staff_client, line, "reopen", seen="dismissed").status_code == 302
    line.refresh_from_db()
    assert (line.state, line.note) == ("waiting", "")


def test_line_when_opened_then_only_what_may_be_done_is_offered(staff_client, method, deposit):
    bring_in(staff_client, method, "95,00;a")
    line = BankLine.objects.get()

    def offered():
        text = staff_client.get(reverse("admin:billing_bankline_change", args=[line.pk])).content.decode()
        names = ("approve", "dismiss", "reopen")
        return [one for one in names if reverse(f"admin:billing_bankline_{one}", args=[line.pk]) in text]

    assert offered() == ["approve", "dismiss"]
    decide(staff_client, line, "dismiss", note="Rent")
    assert offered() == ["reopen"]
    decide(staff_client, line, "reopen", seen="dismissed")
    decide(staff_client, line, "approve", other=str(deposit.pk))
    assert offered() == []


def test_pages_when_seen_by_support_then_nothing_to_decide(staff_client, method, deposit):
    set_up_roles()
    bring_in(staff_client, method, f"100,00;{deposit.code}")
    client = Client()
    client.force_login(make.staff_member(SUPPORT))
    text = client.get(MATCH).content.decode()
    assert deposit.code in text and "Approve" not in text and "Bring in a statement" not in text
    assert client.get(f"{SURE}?method={method.pk}").status_code == 403
    assert client.post(UPLOAD, {"method": method.pk}).status_code == 403


def test_page_when_lines_grow_then_statements_do_not(staff_client, method):
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            staff_client.get(MATCH)
        return len(asked)

    def more(count):
        for _ in range(count):
            one = make.pending_deposit(make.customer(f"c{Deposit.objects.count()}@example.org"), method=method)
            bring_in(staff_client, method, f"100,00;{one.code}")

    more(1)
    statements()
    few = statements()
    more(3)
    assert statements() == few


def test_page_when_there_is_no_method_by_hand_then_says_so(staff_client):
    assert "There is no way to pay by hand yet" in staff_client.get(MATCH).content.decode()


def test_lines_when_old_then_only_dismissed_ones_are_pruned(staff_client, method, deposit):
    bring_in(staff_client, method, "95,00;a", "5,00;b", "7,00;c")
    first, second, _ = BankLine.objects.order_by("-amount")
    decide(staff_client, first, "approve", other=str(deposit.pk))
    decide(staff_client, second, "dismiss", note="Rent")
    assert prune_bank_lines() is None
    BankLine.objects.exclude(decided_at=None).update(decided_at=timezone.now() - timezone.timedelta(days=400))
    assert prune_bank_lines() == 1
    assert set(BankLine.objects.values_list("state", flat=True)) == {"approved", "waiting"}
