"""What real panels answer, and siblings of it in other words, languages and nestings."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from catalog.upstream import (
    CancelAccepted,
    ErrorCode,
    OrderStatus,
    ProviderRefused,
    RefillAccepted,
    RefillStatus,
    RefillStatusRow,
    RowError,
    StatusRow,
    UnreadableAnswer,
)
from catalog.upstream import status_words as words
from catalog.upstream.cleaning import clean_name, parse_count, parse_money, parse_quantity, parse_rate
from catalog.upstream.currencies import currency_of, has_decimals, is_same_currency
from catalog.upstream.parsing import parse_balance, parse_currency
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_clear_statuses,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services

# -- words -------------------------------------------------------------------------------------------

MEANINGS: dict[OrderStatus, str] = {
    OrderStatus.PENDING: """Queued|QUEUED|Waiting|Hold|On Hold|Accepted|New|Awaiting|Paused|Moderation|Checking|Sent|
        in queue|IN_QUEUE|In-Queue|menunggu|Beklemede|Sırada|SIRADA|В очереди|Ожидание|Принят|Новый|На проверке|
        đang chờ|Chờ xử lý|Pendiente|En espera|Pendente|Aguardando|قيد الانتظار|در انتظار|लंबित|⏳ Waiting""",
    OrderStatus.PROCESSING: """Process|In Process|Diproses|İşleniyor|Обработка|Đang xử lý|Procesando|Processando|
        قيد المعالجة|در حال پردازش""",
    OrderStatus.IN_PROGRESS: """Active|Running|Started|In Progress...|INPROGRESS|Ongoing|Working|Berjalan|Devam Ediyor|
        Yükleniyor|В работе|Выполняется|В процессе|Đang chạy|En curso|Em andamento|قيد التنفيذ|در حال انجام|
        प्रगति में|🚀 Started""",
    OrderStatus.COMPLETED: """Done|Finished|Complete|Delivered|DONE!|✅ Completed|Selesai|Tamamlandı|TAMAMLANDI|
        Выполнен|Завершено|Готово|Hoàn thành|HOÀN TẤT|Completado|Concluído|Entregue|مكتمل|تکمیل شده|انجام شد|पूर्ण""",
    OrderStatus.PARTIAL: """PARTIAL|Partial Completed|partially_completed|Partially refunded|Selesai sebagian|
        Kısmen Tamamlandı|Частично выполнен|Hoàn thành một phần|Parcialmente concluído|مكتمل جزئيا|आंशिक पूर्ण""",
    OrderStatus.CANCELED: "Canceled|CANCELLED|Refunded|cancelled!",
}
FAILURES = """Error|ERROR|Rejected|Fail|Failed|Failure|Declined|Denied|Refused|Cancelled by admin|canceled_by_user|
    Auto-Cancelled|Aborted|Unsuccessful|Gagal|Dibatalkan|DITOLAK|İptal|İPTAL EDİLDİ|iptal edildi|Reddedildi|Hata|
    Отменён|ОТМЕНЕН|Отклонено|Ошибка|Возврат|Đã hủy|Thất bại|Lỗi|Cancelado|Rechazado|Fallido|Reembolsado|Recusado|
    ملغي|مرفوض|فشل|لغو شده|ناموفق|रद्द|विफल|Refund"""
SUCCESSES = "Success|SUCCESSFUL|Succeeded|ok|Sukses|Berhasil|Başarılı|Успешно|Thành công|Éxito|Sucesso|ناجح|موفق|सफल"
UNKNOWN = """Partially delivered|Partial delivery|Partially done|Partially|Sebagian|Parçalı|Kısmi|Частично|Parcial|
    Partially canceled|Parcialmente entregue|Một phần|جزئي|आंशिक|"""
UNKNOWN += (
    "Baking|Not completed|Incomplete|status 3|3|404|Partially refilled|Completed 50%|—|%s|pend|Завтра|" + "x" * 60
)


def split(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split("|") if word.strip()]


@pytest.mark.parametrize(
    ("word", "status"), [(word, status) for status, text in MEANINGS.items() for word in split(text)]
)
def test_word_when_it_means_a_status_then_read(word: str, status: OrderStatus) -> None:
    assert words.status_of(word) is status
    body = json.dumps({"11": {"charge": "0.9", "status": word, "remains": "60"}})
    row = parse_statuses(body, ["11"])["11"]
    assert isinstance(row, StatusRow) and (row.status, row.charge, row.remains) == (status, Decimal("0.9"), 60)
    assert not words.is_failure(word) and not words.is_success(word)


@pytest.mark.parametrize("word", split(FAILURES))
def test_word_when_of_failure_then_no_status_by_itself(word: str) -> None:
    assert words.is_failure(word) and words.status_of(word) is None
    row = parse_statuses(json.dumps({"11": {"charge": "0", "status": word, "remains": "100"}}), ["11"])["11"]
    assert isinstance(row, StatusRow) and (row.status, row.status_text) == (None, word)
    assert words.refill_status_of(word) is RefillStatus.REJECTED


@pytest.mark.parametrize("word", split(SUCCESSES))
def test_word_when_of_mere_success_then_no_status_by_itself(word: str) -> None:
    assert words.is_success(word) and words.status_of(word) is None
    assert words.refill_status_of(word) is RefillStatus.COMPLETED


@pytest.mark.parametrize("word", [*split(UNKNOWN), ""])
def test_word_when_unknown_then_text_kept(word: str) -> None:
    assert words.status_of(word) is None and not words.is_failure(word) and not words.is_success(word)
    assert words.refill_status_of(word) is None
    row = parse_statuses(json.dumps({"11": {"charge": "0", "status": word}}), ["11"])["11"]
    assert isinstance(row, StatusRow) and (row.status, row.status_text) == (None, word[:60])


@pytest.mark.parametrize(("status", "text"), [(3, "3"), (3.0, "3"), ("3", "3"), (0, "0"), (-1, "-1"), (404, "404")])
def test_status_when_a_whole_number_then_an_unknown_word(status: Any, text: str) -> None:
    row = parse_statuses(json.dumps([{"order": 11, "status": status, "charge": "0"}]), ["11"])["11"]
    assert isinstance(row, StatusRow) and (row.status, row.status_text) == (None, text)


def test_words_when_listed_then_each_has_one_meaning() -> None:
    groups = [{word for word, status in words._STATUSES.items() if status is one} for one in OrderStatus]
    groups += [set(words._SUCCESSES), set(words._FAILURES)]
    assert sum(map(len, groups)) == len(set().union(*groups)) > 500
    assert "" not in set().union(*groups)


# -- shapes of status answers ------------------------------------------------------------------------

ROW = {"charge": "0.5", "start_count": "1", "status": "Completed", "remains": "0"}
STATUS_SHAPES: list[Any] = [
    {"11": ROW},
    [{"order": 11, **ROW}],
    {"result": {"11": ROW}},
    {"results": [{"order_id": "11", **ROW}]},
    {"response": {"orders": {"11": ROW}}},
    {"statuses": [{"id": 11, **ROW}]},
    {"status": "success", "data": {"11": ROW}},
    {"success": True, "orders": [{"order": "11", **ROW}]},
    {"data": [{"order": 11.0, **ROW}]},
    {"11": {"status": "success", "order_status": "Completed", "charge": 0.5, "start_count": 1, "remains": 0}},
]


@pytest.mark.parametrize("body", STATUS_SHAPES, ids=json.dumps)
def test_status_when_wrapped_then_read(body: Any) -> None:
    row = parse_clear_statuses(json.dumps(body), ["11", "12"])["11"]
    assert isinstance(row, StatusRow) and (row.status, row.remains) == (OrderStatus.COMPLETED, 0)


@pytest.mark.parametrize("body", [[ROW], {"0": ROW}, {"data": [ROW]}, {"order": ROW}, {"data": {"order": ROW}}])
def test_status_when_asked_singly_then_a_row_without_id_is_its(body: Any) -> None:
    row = parse_statuses(json.dumps(body), ["11"], singly=True)["11"]
    assert isinstance(row, StatusRow) and row.status is OrderStatus.COMPLETED
    assert parse_statuses(json.dumps([ROW, ROW]), ["11"], singly=True) == {}
    assert parse_statuses(json.dumps([{"order": 12, **ROW}]), ["11"], singly=True) == {}
    assert parse_statuses(json.dumps([{"id": 12, **ROW}]), ["11"], singly=True) == {}


@pytest.mark.parametrize(
    "body", [[ROW], [ROW, ROW], [], {}, {"11": None}, {"11": {"error": "Gremlins"}}, {"x": {"y": 1}}]
)
def test_status_when_no_id_is_understood_then_unreadable(body: Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_clear_statuses(json.dumps(body), ["11", "12"])
    assert parse_clear_statuses('{"11": {"error": "Incorrect order ID"}}', ["11", "12"])


# -- cancels -----------------------------------------------------------------------------------------

BAD_CHARGES: list[Any] = ["0.50 coins", "0.5 credits", "0.5 dollars", "0.5 р.", "0.5$ USD", "٠.٥", "0.5-", "-0.5", "x"]
BAD_CHARGES += [{"amount": "0.5"}, [0.5], True, {}, "1e99"]


@pytest.mark.parametrize("charge", BAD_CHARGES)
@pytest.mark.parametrize("word", ["Canceled", "Partial"])
def test_charge_when_stated_and_unreadable_then_unclear(word: str, charge: Any) -> None:
    row = parse_statuses(json.dumps({"7": {"status": word, "remains": "0", "charge": charge}}), ["7"])["7"]
    assert isinstance(row, StatusRow) and row.is_unclear


CANCELED: list[Any] = [
    [{"order": 11, "cancel": {"status": 1}}],
    {"11": {"cancel": "requested"}},
    {"status": "Success", "message": "Cancel request received"},
    {"11": "requested"},
    {"11": {"cancel": {"success": True, "message": "Cancel request sent"}}},
    {"cancel": {"id": 77, "status": "Pending"}},
    {"cancel": True},
    {"cancel": "success"},
    {"cancel": "Cancelled"},
    {"canceled": 1},
    {"success": 1},
    {"success": True, "data": {"order": "11"}},
    {"status": 1, "msg": "ok"},
    {"status": True, "data": {"message": "Permintaan pembatalan berhasil"}},
    {"result": "ok"},
    {"result": {"status": "success"}},
    {"message": "Order cancellation requested"},
    {"message": "Your cancel request has been submitted successfully"},
    {"status": "canceled", "order": 11},
    {"data": {"cancel": "1"}},
    {"data": [{"order_id": 11, "cancel": {"status": "Processing"}}]},
    {"results": [{"id": "11", "cancel": "accepted"}]},
    {"cancel": {"status": "İptal edildi"}},
    {"error": None, "cancel": "queued"},
    {"message": "Cancel request already sent"},
    {"message": "Cancel request for order no. 11 was received"},
    {"status": "Success", "message": "The cost will be added to your balance"},
    {"11": {"cancel": {"message": "Запрос принят", "status": "ok"}}},
]
NOT_CANCELED: list[tuple[Any, str]] = [
    ({"success": False, "data": {"message": "Order can not be canceled"}}, "Order can not be canceled"),
    ({"success": False, "message": "No."}, "No."),
    ({"status": "fail", "message": "Order already completed"}, "Order already completed"),
    ([{"order": 11, "cancel": {"error": "Too late"}}], "Too late"),
    ({"11": {"cancel": 0}}, ""),
    ({"11": {"cancel": False, "message": "Cancel is not available"}}, "Cancel is not available"),
    ({"11": {"cancel": "rejected"}}, "rejected"),
    ({"11": {"cancel": {"status": 0, "message": "Cannot cancel"}}}, "Cannot cancel"),
    ({"cancel": "not allowed"}, "not allowed"),
    ({"11": "Order cannot be canceled"}, "Order cannot be canceled"),
    ({"11": {"status": "error", "msg": "Pesanan tidak bisa dibatalkan"}}, "Pesanan tidak bisa dibatalkan"),
    ({"11": "Cancel feature was taken offline"}, "Cancel feature was taken offline"),
    ({"11": "Request was processed unsuccessfully"}, "Request was processed unsuccessfully"),
    ({"11": "Pedido de cancelamento sem sucesso"}, "Pedido de cancelamento sem sucesso"),
    ({"11": "sem sucesso"}, "sem sucesso"),
    ({"11": "sin éxito"}, "sin éxito"),
    ({"11": "başarılı değil"}, "başarılı değil"),
    ({"11": "ثبت نشد"}, "ثبت نشد"),
    ({"11": "Запрос неуспешно отправлен"}, "Запрос неуспешно отправлен"),
    ({"message": "Заказ уже выполнен, отменить нельзя"}, "Заказ уже выполнен, отменить нельзя"),
]
UNCLEAR_CANCELS: list[Any] = [
    {"status": "Success", "message": "Order can not be canceled"},
    {"11": {"cancel": {"code": 7}}},
    {"11": {"cancel": "Hmm"}},
    {"11": {"cancel": []}},
    {"11": None},
    {"11": {"cancel": 7}},
    {"order": 11, "status": "In progress"},
    {"status": "Pending"},
    {"11": "Hmm and hmm"},
    {"11": "Order processing started"},
    {"11": "Your order was placed"},
    {"success": None},
]


@pytest.mark.parametrize("body", CANCELED, ids=json.dumps)
def test_cancel_when_accepted_in_any_shape_then_accepted(body: Any) -> None:
    assert parse_cancels(json.dumps(body), ["11"]) == {"11": CancelAccepted("11")}


@pytest.mark.parametrize(("body", "text"), NOT_CANCELED, ids=json.dumps)
def test_cancel_when_refused_in_any_shape_then_in_its_words(body: Any, text: str) -> None:
    try:
        row = parse_cancels(json.dumps(body), ["11"])["11"]
    except ProviderRefused as refusal:  # The client sends the id singly, and makes a row of the second refusal.
        row = RowError("11", refusal.code, refusal.text)
    assert isinstance(row, RowError) and (row.text, row.is_malformed) == (text, False)


@pytest.mark.parametrize("body", UNCLEAR_CANCELS, ids=json.dumps)
def test_cancel_when_neither_yes_nor_no_then_malformed(body: Any) -> None:
    row = parse_cancels(json.dumps(body), ["11"])["11"]
    assert isinstance(row, RowError) and row.is_malformed and row.excerpt


@pytest.mark.parametrize("text", ["Maintenance", "We are updating our servers, come back soon"])
def test_cancel_when_a_sentence_is_no_answer_then_unreadable(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_cancels(json.dumps({"message": text}), ["11"])


def test_cancels_when_a_flag_is_about_several_then_unreadable() -> None:
    for parse in (parse_cancels, parse_refills):
        with pytest.raises(UnreadableAnswer):
            parse('{"status": "Success", "message": "Request received"}', ["11", "12"])


# -- refills -----------------------------------------------------------------------------------------

REFILLED: list[tuple[Any, str]] = [
    ({"status": "Success", "message": "Your order was added for refill"}, ""),
    ({"refill": {"id": 55, "status": "Pending"}}, "55"),
    ({"refill": {"refill_id": "55"}}, "55"),
    ({"refill": {"refill": 55}}, "55"),
    ({"refill_id": 55}, "55"),
    ({"status": "success", "data": {"refill_id": "55"}}, "55"),
    ({"success": True, "data": {"id": 55}}, "55"),
    ({"data": {"refill": 55.0}}, "55"),
    ([{"order": 11, "refill": {"id": "rf_55"}}], "rf_55"),
    ({"11": {"refill": {"id": 55}}}, "55"),
    ({"11": "55"}, "55"),
    ({"11": 55}, "55"),
    ({"refill": "requested"}, ""),
    ({"refill": "Pending"}, ""),
    ({"refill": "success"}, ""),
    ({"refill": True}, ""),
    ({"success": "Refill is on its way"}, ""),
    ({"message": "Refill request has been received"}, ""),
    ({"result": {"refill": "55"}}, "55"),
    ([{"order": "11", "refill": {"status": "ok"}}], ""),
    ({"status": True, "msg": "Isi ulang berhasil"}, ""),
]
REFUSED_REFILLS = [
    "Refill requested less than 24 hours ago",
    "Order was placed over 30 days ago",
    "Service added without refill",
    "Refill queued limit reached",
]
NOT_REFILLED: list[tuple[Any, str]] = [
    ({"refill": "rejected"}, "rejected"),
    ({"refill": False, "message": "Refill is not available"}, "Refill is not available"),
    ({"success": False, "data": {"message": "Not eligible for refill"}}, "Not eligible for refill"),
    ({"refill": {"error": "Order not completed"}}, "Order not completed"),
    ({"status": "error", "message": "Try after 24 hours"}, "Try after 24 hours"),
    ({"11": "Order is not completed"}, "Order is not completed"),
    *(({"11": text}, text) for text in REFUSED_REFILLS),
]


@pytest.mark.parametrize(("body", "refill_id"), REFILLED, ids=json.dumps)
def test_refill_when_accepted_in_any_shape_then_accepted(body: Any, refill_id: str) -> None:
    assert parse_refills(json.dumps(body), ["11"]) == {"11": RefillAccepted("11", refill_id)}


@pytest.mark.parametrize(("body", "text"), NOT_REFILLED, ids=json.dumps)
def test_refill_when_refused_in_any_shape_then_in_its_words(body: Any, text: str) -> None:
    try:
        row = parse_refills(json.dumps(body), ["11"])["11"]
    except ProviderRefused as refusal:
        row = RowError("11", refusal.code, refusal.text)
    assert isinstance(row, RowError) and (row.text, row.is_malformed) == (text, False)


@pytest.mark.parametrize(
    "body",
    [{"refill": []}, {"refill": "Hmm"}, {"11": None}, {"refill": {"code": 7}}, {"11": "Hmm and hmm"}]
    + [{"status": "Success", "message": "Refill is not possible"}],
    ids=json.dumps,
)
def test_refill_when_neither_yes_nor_no_then_malformed(body: Any) -> None:
    row = parse_refills(json.dumps(body), ["11"])["11"]
    assert isinstance(row, RowError) and row.is_malformed


REFILL_STATUSES: list[tuple[Any, RefillStatus | None]] = [
    ({"status": "Cancelled"}, RefillStatus.REJECTED),
    ({"status": "Error"}, RefillStatus.REJECTED),
    ({"status": "done"}, RefillStatus.COMPLETED),
    ({"status": "Success"}, RefillStatus.COMPLETED),
    ({"status": "success", "refill_status": "Pending"}, RefillStatus.PENDING),
    ({"status": "Refilled"}, RefillStatus.COMPLETED),
    ({"status": "Awaiting"}, RefillStatus.PENDING),
    ({"status": "Processing"}, RefillStatus.IN_PROGRESS),
    ({"status": "Refilling"}, RefillStatus.IN_PROGRESS),
    ({"status": "Отклонено"}, RefillStatus.REJECTED),
    ({"status": "Ditolak"}, RefillStatus.REJECTED),
    ({"data": {"status": "Tamamlandı"}}, RefillStatus.COMPLETED),
    ([{"refill": 55, "status": "İptal edildi"}], RefillStatus.REJECTED),
    ({"55": "Selesai"}, RefillStatus.COMPLETED),
    ({"status": "Partial"}, None),
    ({"status": 3}, None),
    ({"status": "Baking"}, None),
    ([{"refill": 55, "status": "Success", "message": "Data found"}], None),
]


@pytest.mark.parametrize(("body", "status"), REFILL_STATUSES, ids=json.dumps)
def test_refill_status_when_in_other_words_then_read(body: Any, status: RefillStatus | None) -> None:
    row = parse_refill_statuses(json.dumps(body), ["55"])["55"]
    assert isinstance(row, RefillStatusRow) and row.status is status


@pytest.mark.parametrize(
    "text",
    ["Refill Request Not found", "Refill not found", "Incorrect refill ID", "Not found", "Request does not exist"]
    + ["No such refill", "Invalid refill id"],
)
def test_refill_status_when_not_found_then_refill_is_unknown(text: str) -> None:
    for body in ({"error": text}, {"55": {"error": text}}, [{"refill": 55, "status": {"error": text}}]):
        row = parse_refill_statuses(json.dumps(body), ["55"])["55"]
        assert isinstance(row, RowError) and (row.code, row.text) == (ErrorCode.UNKNOWN_REFILL, text)


def test_refill_status_when_the_call_failed_then_refused() -> None:
    with pytest.raises(ProviderRefused, match="Server overloaded"):
        parse_refill_statuses('{"status": "Error", "message": "Server overloaded"}', ["55"])


# -- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.000", 1000), ("10.000", 10_000), ("1,000", 1000), ("1 000", 1000), ("1'000", 1000), ("1’000", 1000)]
    + [("1\u202f000", 1000), ("1\u00a0000", 1000), ("1\u2009000", 1000), ("1.000.000", 10**6), ("10K", 10_000)]
    + [("1M", 10**6), ("1.5K", 1500), ("2,5k", 2500), ("0.5M", 500_000), ("10 K", 10_000), (1000, 1000), ("100", 100)]
    + [("168.0", 168), ("1.00", 1), ("1.000,00", 1000), ("1,000.00", 1000), (1.0, 1), ("1e3", 1000)]
    + [("many", None), ("1.5", None), ("K", None), ("10KK", None), ("1.0001K", None), ("", None), (None, None)]
    + [("999999999999M", None), ("1.00.0", None), (True, None)],
)
def test_limit_when_thousands_are_separated_then_read(value: Any, expected: int | None) -> None:
    assert parse_quantity(json.loads(json.dumps(value), parse_float=Decimal)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.000", None), ("100.000", None), ("1.234", None), ("-1.000", None), ("1,000", 1000), ("1,234", 1234)]
    + [("1234.000", 1234), ("0.000", 0), ("168.0", 168), ("1.000.000", 10**6), (1.000, 1), ("40", 40), ("1 000", 1000)],
)
def test_remains_when_two_readings_then_unusable(value: Any, expected: int | None) -> None:
    assert parse_count(json.loads(json.dumps(value), parse_float=Decimal)) == expected
    row = parse_statuses(json.dumps({"11": {"status": "Partial", "remains": value}}), ["11"])["11"]
    assert isinstance(row, StatusRow) and (row.remains, row.is_unclear) == (expected, expected is None)


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [("1,000.50", "", "1000.50"), ("0,95", "", "0.95"), ("0.95", "IDR", "0.95"), ("15.000", "", "15.000")]
    + [("15.000", "IDR", "15000"), ("Rp15.000", "", "15000"), ("Rp 15.000", "USD", "15000"), ("15.000", "VND", "15000")]
    + [("15.000₫", "", "15000"), ("15.000 đ", "", "15000"), ("₩1.500", "", "1500"), ("¥1,500", "JPY", "1500")]
    + [
        ("15.000,50", "IDR", "15000.50"),
        ("1.500.000", "IDR", "1500000"),
        ("15.50", "IDR", "15.50"),
        (15.0, "IDR", "15"),
    ]
    + [("S$1.2", "", "1.2"), ("Tk 5", "", "5"), ("Tk. 5", "", "5"), ("R 5.50", "", "5.50"), ("₹12", "", "12")]
    + [("US$ 3", "", "3"), ("5 TL", "", "5"), ("RM4.20", "", "4.20"), ("A$2", "", "2"), ("৳ 9.5", "", "9.5")]
    + [
        ("₱1.25", "", "1.25"),
        ("3 USDT", "", "3"),
        ("1.125", "USD", "1.125"),
        ("Rs. 20", "", "20"),
        ("руб. 7", "", "7"),
    ],
)
def test_rate_when_in_any_currency_then_read(value: Any, currency: str, expected: str) -> None:
    value = json.loads(json.dumps(value), parse_float=Decimal)
    assert parse_rate(value, currency=currency) == Decimal(expected)


@pytest.mark.parametrize(
    ("value", "currency", "amount", "is_unclear"),
    [("1,234", "", None, True), ("1,000", "USD", None, True), ("1,234.5", "", "1234.5", False)]
    + [("1,234", "IDR", "1234", False), ("15.000", "IDR", "15000", False), ("1.125", "", "1.125", False)]
    + [("0,95", "", "0.95", False), ("", "", None, False), (" ", "", None, False), ("Rp15.000", "", "15000", False)],
)
def test_charge_when_two_readings_then_unclear(value: str, currency: str, amount: str | None, is_unclear: bool) -> None:
    expected = None if amount is None else Decimal(amount)
    money = parse_money(value, currency=currency)
    assert (money.amount, money.is_unclear) == (expected, is_unclear)
    body = json.dumps({"11": {"status": "Partial", "charge": value}})
    row = parse_statuses(body, ["11"], currency=currency)["11"]
    assert isinstance(row, StatusRow) and (row.charge, row.is_unclear) == (expected, is_unclear)


@pytest.mark.parametrize(
    ("text", "code"),
    [("USD", "USD"), ("usd", "USD"), ("TL", "TRY"), ("tl", "TRY"), ("Rupiah", "IDR"), ("Rp", "IDR"), ("USDT", "USDT")]
    + [("US Dollar", "USD"), ("US Dollars", "USD"), ("$", ""), ("€", "EUR"), ("₺", "TRY"), ("R$", "BRL"), ("Tk", "BDT")]
    + [("Türk Lirası", "TRY"), ("Euro", "EUR"), ("Points", "POINTS"), ("12", ""), ("", ""), (None, ""), ("a b", "")]
    + [("x" * 99, ""), ("₫", "VND"), ("US$", "USD"), ("Kredit lama", "")],
)
def test_currency_when_in_any_words_then_its_code(text: Any, code: str) -> None:
    assert parse_currency(text) == code


def test_currency_when_stored_as_a_name_then_still_without_decimals() -> None:
    for name in ("RP", "Rp", "DONG", "VNĐ", "đ", "Đ", "WON", "YEN", "IDR", "idr", "₫", "₩"):
        assert not has_decimals(name)
        assert parse_rate("15.000", currency=name) == 15000
    assert has_decimals("USD") and has_decimals("TL") and has_decimals("") and has_decimals("COIN")


def test_currency_when_a_coin_is_worth_a_dollar_then_the_same() -> None:
    assert is_same_currency("USDT", "USD") and is_same_currency("usd", "USDC") and is_same_currency("US Dollar", "USD")
    assert is_same_currency("TL", "TRY") and not is_same_currency("USDT", "TRY") and not is_same_currency("EUR", "USD")
    assert currency_of("TRX") == "TRX"


BALANCES: list[tuple[Any, str, str]] = [
    ({"balance": {"amount": "98.5", "currency": "USD"}}, "98.5", "USD"),
    ({"balance": "98.5", "currency": "TL"}, "98.5", "TRY"),
    ({"data": {"balance": "98.5", "currency": "USD"}}, "98.5", "USD"),
    ({"data": {"balance": {"value": 98.5}}, "currency": "EUR"}, "98.5", "EUR"),
    ({"user": {"balance": "98.5"}}, "98.5", ""),
    ({"status": "success", "data": {"user": {"balance": "98.5", "currency": "INR"}}}, "98.5", "INR"),
    ({"Balance": "98.5 USD"}, "98.5", "USD"),
    ({"BALANCE": "98.5", "Currency": "usd"}, "98.5", "USD"),
    ({"balance": "$98.5"}, "98.5", ""),
    ({"balance": "Rp15.000"}, "15000", "IDR"),
    ({"balance": "₺ 1.234,50"}, "1234.50", "TRY"),
    ({"balance": {"USD": "98.5"}}, "98.5", "USD"),
    ({"balance": "98.5", "currency": "USDT"}, "98.5", "USDT"),
    ({"balance": "98.5", "currency": "US Dollar"}, "98.5", "USD"),
    ({"funds": "98.5"}, "98.5", ""),
    ({"success": True, "result": {"balance": 98.5}}, "98.5", ""),
    ([{"balance": "98.5", "currency": "USD"}], "98.5", "USD"),
    ({"account": {"available_balance": "98.5", "currency_code": "BRL"}}, "98.5", "BRL"),
    ({"wallet": {"balance": {"total": "98.5", "currency": "R$"}}}, "98.5", "BRL"),
]


@pytest.mark.parametrize(("body", "amount", "currency"), BALANCES, ids=json.dumps)
def test_balance_when_nested_or_in_words_then_read(body: Any, amount: str, currency: str) -> None:
    balance = parse_balance(json.dumps(body))
    assert (balance.amount, balance.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    "body", [[5], {"total": 5}, {"data": {"amount": 5}}, {"balance": {}}, {"balance": []}, {"balance": {"a": "b"}}]
)
def test_balance_when_another_number_then_unreadable(body: Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_balance(json.dumps(body))


def test_balance_when_currency_has_no_decimals_then_grouped() -> None:
    assert parse_balance('{"balance": "15.000"}', currency="IDR").amount == 15_000
    assert parse_balance('{"balance": "15.000"}', currency="USD").amount == 15


# -- services ----------------------------------------------------------------------------------------


def service_of(**changes: Any) -> Any:
    row = {"service": 3, "name": "B", "type": "Default", "category": "X", "rate": "1", "min": "1.000", "max": "10.000"}
    return parse_services(json.dumps([{**row, **changes}]), currency=changes.pop("in_currency", "")).rows[0]


def test_services_when_limits_are_grouped_then_thousands() -> None:
    row = service_of()
    assert (row.min, row.max) == (1_000, 10_000)
    assert (service_of(min="10", max="1M").max, service_of(min=10, max="10 000").max) == (10**6, 10_000)


def test_services_when_the_currency_has_no_decimals_then_rates_are_grouped() -> None:
    assert service_of(rate="15.000", in_currency="IDR").rate == 15_000
    assert service_of(rate="Rp15.000").rate == 15_000
    assert service_of(rate="15.000").rate == 15


def test_services_when_names_hold_entities_then_decoded_once() -> None:
    row = service_of(name="Likes &amp; Views", category="A &gt; B", desc="x &lt;b&gt;\n&quot;y&quot;")
    assert (row.name, row.category, row.description) == ("Likes & Views", "A > B", 'x <b>\n"y"')
    assert service_of(name="a &amp;amp; b").name == "a &amp; b"
    assert service_of(name="a&#0;&#x202e;b&nbsp;c&#xd800;").name == "a\ufffdb c\ufffd"
    assert clean_name("&amp;" * 5_000, limit=10) == "&" * 10


@pytest.mark.parametrize("number", ["1000001", "1000001.0", "1.000001e+06", '"1000001"', "1.000001E6"])
def test_ids_when_whole_in_any_notation_then_the_same_id(number: str) -> None:
    listed = parse_services(f'[{{"service": {number}, "name": "A", "rate": 1, "min": 1, "max": 2}}]')
    assert [row.external_id for row in listed.rows] == ["1000001"]
    body = f'[{{"order": {number}, "status": "Pending"}}]'
    assert set(parse_statuses(body, ["1000001"])) == {"1000001"}
    assert parse_refills(f'{{"refill": {number}}}', ["5"]) == {"5": RefillAccepted("5", "1000001")}
