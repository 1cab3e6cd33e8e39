"""What counts as a refusal, in every nesting and under every HTTP status, and what never does."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, UpstreamUnavailable
from catalog.upstream.evidence import Evidence
from catalog.upstream.judging import judge_add, judge_reading
from catalog.upstream.parsing import error_text, parse_balance
from catalog.upstream.results import AddAccepted, AddOutcome, NotSent, Refused, Unknown
from panel.lib.http.exchange import Phase
from tests.catalog.upstream.error_texts import TEXTS, lines

BAD = "Bad link"
FUNDS = "Not enough funds on balance"


def judge(body: Any, status: int = 200) -> AddOutcome:
    text = body if isinstance(body, str) else json.dumps(body)
    return judge_add(text=text, failure="", evidence=Evidence(Phase.ANSWERED, status, text[:100], 1))


# Answers to `add`, with the HTTP status and what they mean.
REAL: list[tuple[int, Any, ErrorCode]] = [
    (200, {"error": "Insufficient funds"}, ErrorCode.FUNDS),
    (200, {"error": "Not enough balance"}, ErrorCode.FUNDS),
    (200, {"error": "You do not have enough funds to Place order"}, ErrorCode.FUNDS),
    (
        200,
        {"error": "API is Disable for this user or User Not Found! Contact the Support"},
        ErrorCode.CREDENTIALS,
    ),
    (200, {"error": "Invalid or inactive API Key"}, ErrorCode.CREDENTIALS),
    (200, {"error": "Service ID does not exists"}, ErrorCode.SERVICE_GONE),
    (
        200,
        {"error": "Quantity must to be greater than or equal to minimum amount 100"},
        ErrorCode.BAD_QUANTITY,
    ),
    (200, {"error": "Quantity less than minimum"}, ErrorCode.BAD_QUANTITY),
    (200, {"error": "Quantity must be between 10 and 5000"}, ErrorCode.BAD_QUANTITY),
    (200, {"error": "Link is required"}, ErrorCode.BAD_LINK),
    (
        200,
        {
            "error": "You have already an active order for this link on this service id, "
            "wait until it is completed or cancelled"
        },
        ErrorCode.LINK_BUSY,
    ),
    (200, {"error": "Duplicate order"}, ErrorCode.LINK_BUSY),
    (200, {"success": False, "data": {"name": "Exception", "message": FUNDS, "code": 0}}, ErrorCode.FUNDS),
    (200, {"status": False, "data": {"msg": "Layanan tidak tersedia"}}, ErrorCode.UNRECOGNIZED),
    (200, {"result": False, "message": BAD}, ErrorCode.BAD_LINK),
    (200, [{"error": BAD}], ErrorCode.BAD_LINK),
    (401, {"message": "Unauthenticated."}, ErrorCode.CREDENTIALS),
    # Every `add` holds a service: that it misses one is the provider's affair.
    (400, {"error": "Missing required parameter: service"}, ErrorCode.PROTOCOL),
    (200, {"error": {"code": "E12", "message": BAD}}, ErrorCode.BAD_LINK),
]

FLAGS: list[dict[str, Any]] = [
    *({"success": flag} for flag in (False, 0, "0", "false", "False", "no", "", None)),
    *({"status": flag} for flag in (False, 0, "0", "false", "fail", "FAILED", "failure", "error", "Error", 400, 422)),
    *({"result": flag} for flag in (False, 0, "false", "error", "fail")),
    *({"ok": flag} for flag in (False, 0, "false")),
    {"code": 422},
    {"statusCode": 400},
    {"error": True},
    {"error": 1},
    {"error": "error"},
    {"error": "Bad Request", "statusCode": 400},
    {"Success": False},
    {"STATUS": "Error"},
    {"isSuccess": False},
    {"response": "error"},
    {"type": "error"},
    {"success": False, "order": None},
    {"success": False, "order": 0, "id": ""},
]
MESSAGES: list[Any] = [
    {"message": BAD},
    {"msg": BAD},
    {"Message": BAD},
    {"error_message": BAD},
    {"reason": BAD},
    {"detail": BAD},
    {"data": BAD},
    {"data": {"message": BAD}},
    {"data": {"msg": BAD}},
    {"data": {"error": BAD}},
    {"data": [BAD]},
    {"data": [{"message": BAD}]},
    {"data": {"data": {"message": BAD}}},
    {"message": [BAD]},
    {"message": {"link": [BAD]}},
    {"message": {"code": 5, "message": BAD}},
]
# Shapes that hold the error in a field of that name.
ERRORS: list[Any] = [
    {"error": BAD},
    {"Error": BAD},
    {"ERROR": BAD},
    {"errors": BAD},
    {"errors": [BAD]},
    {"errors": {"link": [BAD]}},
    {"errors": [{"message": BAD}]},
    {"errors": [{"field": "link", "message": BAD}]},
    {"errors": {"link": {"code": "invalid", "message": BAD}}},
    {"error": [BAD, BAD]},
    {"error": {"message": BAD}},
    {"error": {"msg": BAD, "code": 12}},
    {"error": {"code": 12, "type": "invalid_request", "title": BAD}},
    {"error": {"code": 12, "description": BAD}},
    {"error": {"error": BAD}},
    {"error": {"code": "E7", "details": {"message": BAD}}},
    {"status": {"code": 400, "message": BAD}},
    {"meta": {"code": 422, "error": BAD}},
    {"error": BAD, "message": ""},
    {"error": BAD, "message": BAD.upper()},
    {"error": BAD, "message": "Contact us"},
    {"error": BAD, "status": "fail"},
    {"error": BAD, "code": 17},
    {"error": BAD, "order": None},
    {"error": BAD, "order": -1, "id": "0"},
    {"error": BAD, "orders": []},
    {"error": BAD, "data": None},
    {"data": {"error": BAD}},
    {"result": {"error": BAD}},
    {"response": {"success": False, "message": BAD}},
    [{"error": BAD}],
    [{"errors": [BAD]}],
    [{"success": False, "msg": BAD}],
    {"message": "The given data was invalid.", "errors": {"link": [BAD]}},
    {"statusCode": 400, "message": [BAD], "error": "Bad Request"},
]
# Codes in words, where there is no message.
CODES: list[Any] = [
    {"success": False, "error_code": "invalid_link"},
    {"success": False, "code": "INVALID_LINK"},
    {"error": True, "errorCode": "invalid_link"},
    {"error": {"code": "invalid_link"}},
    {"error": {"type": "invalid_link", "code": 17}},
    {"errors": ["invalid_link"]},
]


@pytest.mark.parametrize(("status", "body", "code"), REAL)
def test_add_when_a_real_provider_refuses_then_understood(status: int, body: Any, code: ErrorCode) -> None:
    outcome = judge(body, status)
    assert isinstance(outcome, Refused) and outcome.code is code


@pytest.mark.parametrize("flag", FLAGS)
def test_add_when_flag_is_false_then_the_message_is_read(flag: dict[str, Any]) -> None:
    for body in [body for message in MESSAGES for body in ({**flag, **message}, {**message, **flag})]:
        outcome = judge(body)
        assert isinstance(outcome, Refused) and (outcome.code, outcome.text) == (ErrorCode.BAD_LINK, BAD)


@pytest.mark.parametrize("body", ERRORS)
def test_add_when_error_is_nested_then_it_is_read(body: Any) -> None:
    for status in (200, 201, 302, 400, 401, 403, 404, 422, 429):
        outcome = judge(body, status)
        assert isinstance(outcome, Refused) and (outcome.code, outcome.text) == (ErrorCode.BAD_LINK, BAD), status


@pytest.mark.parametrize("body", CODES)
def test_add_when_error_is_only_a_code_in_words_then_it_is_read(body: Any) -> None:
    outcome = judge(body)
    assert isinstance(outcome, Refused) and outcome.code is ErrorCode.BAD_LINK


@pytest.mark.parametrize("body", [*ERRORS, *({"success": False, **message} for message in MESSAGES)])
def test_add_when_server_gave_up_then_unknown_whatever_it_says(body: Any) -> None:
    for status in (408, 500, 502, 503, 504, 520, 524):
        assert isinstance(judge(body, status), Unknown), status


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"message": "Unauthenticated."}, ErrorCode.CREDENTIALS),
        (401, {"message": "Nope"}, ErrorCode.CREDENTIALS),
        (401, {"error": "Nope"}, ErrorCode.CREDENTIALS),
        (401, {"detail": "Nope"}, ErrorCode.CREDENTIALS),
        (401, {"title": "Nope", "status": 401}, ErrorCode.CREDENTIALS),
        (401, {"error": BAD}, ErrorCode.BAD_LINK),
        (403, {"message": "Forbidden"}, ErrorCode.CREDENTIALS),
        (403, {"message": "Nope"}, ErrorCode.UNRECOGNIZED),
        (404, {"message": "Not Found"}, ErrorCode.UNRECOGNIZED),
        (402, {"message": "Payment Required"}, ErrorCode.FUNDS),
        (400, {"message": FUNDS}, ErrorCode.FUNDS),
        (422, {"msg": BAD}, ErrorCode.BAD_LINK),
        (400, {"data": {"message": BAD}}, ErrorCode.BAD_LINK),
        (400, [{"message": BAD}], ErrorCode.BAD_LINK),
        (429, {"message": "Too Many Attempts."}, ErrorCode.THROTTLED),
        (429, {"message": "Nope"}, ErrorCode.THROTTLED),
        (429, {"message": "Please wait"}, ErrorCode.THROTTLED),
    ],
)
def test_add_when_status_refuses_then_a_message_suffices(status: int, body: Any, code: ErrorCode) -> None:
    outcome = judge(body, status)
    assert isinstance(outcome, Refused) and outcome.code is code
    with pytest.raises(ProviderRefused) as refusal:
        judge_reading(
            parse_balance, text=json.dumps(body), failure="", evidence=Evidence(Phase.ANSWERED, status, "", 1)
        )
    assert refusal.value.code is code


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"message": BAD}),
        (200, {"success": False}),
        (200, {"status": "pending", "message": BAD}),
        (200, [BAD]),
        (200, [{"error": BAD}, {"error": BAD}]),
        (200, [{"error": BAD}, {"order": 5}]),
        (200, [{"order": 5}]),
        (200, [{"error": BAD, "order": 5}]),
        (200, {"success": True, "error": BAD}),
        (200, {"status": "success", "error": BAD}),
        (200, {"status": "Pending", "error": BAD}),
        (200, {"success": "Your order was placed", "error": BAD}),
        (200, '{"error": "Bad link", "result": 0, "result": "x"}'),
        (200, '{"error": "Bad link", "x": {"orderId": 1, "orderId": 2}}'),
        (200, {"ok": 1, "message": BAD, "result": False}),
        (200, {"error": BAD, "orderId": 5}),
        (200, {"error": BAD, "order_ids": [5]}),
        (200, {"error": BAD, "data": {"result": {"order-id": "5"}}}),
        (200, {"error": BAD, "payload": [{"id": "ord_5"}]}),
        (200, {"error": '{"order": 5}'}),
        (200, {"success": False, "message": BAD, "data": {"order": 5}}),
        (200, {"status": "Fail", "charge": "0.1", "message": BAD}),
        (400, {"message": "Order placed"}),
        (400, {"message": "Timeout: invalid link"}),
        (401, {"message": "Processing"}),
        (400, {"message": BAD, "order": "has been placed"}),
        (400, {"message": BAD, "id": True}),
        (400, {}),
        (400, "Bad link"),
        (401, "<html></html>"),
        (408, {"message": BAD}),
        (500, {"message": BAD}),
        (303, {"message": BAD}),
        (429, {"error": "Order 5512 created successfully"}),
        (429, {"order_number": 5512, "success": True}),
        (429, {"orderNumber": 5512}),
        (429, {"message": "Your order has been received"}),
        (429, "order=5512"),
        (401, {"error": "Order 5512 created successfully"}),
        (302, {"order_number": 5512, "success": True}),
        (302, {"message": "Your order has been received"}),
        (307, "Order 5512 placed"),
        (429, "<p>" + "too many requests " * 600),
        (200, 'Order 5512 placed<br>{"error": "Invalid link"}'),
        (200, '[5512]\n{"error": "Not enough funds"}'),
        (200, '<order>5512</order>\n{"error": "Invalid link"}'),
        (200, 'order=5512&charge=1\n{"error": "Invalid link"}'),
        (200, 'Notice: x in a on line 3\nOrder 5512 placed\n{"error": "Invalid link"}'),
        (200, 'Notice: order 5512 placed\n{"error": "Invalid link"}'),
        (200, {"error": BAD, "notes": ["a"] * 600}),
    ],
)
def test_add_when_answer_is_no_plain_no_then_in_doubt(status: int, body: Any) -> None:
    assert isinstance(judge(body, status), Unknown)


SIGNS: list[dict[str, Any]] = [
    *({name: 123} for name in ("new_order_id", "Order ID", "order id", "id_order", "provider_order_id", "order_ref")),
    *({"status": word} for word in ("Completed", "placed", "created", "Canceled", "in progress", "успешно")),
    {"data": 123},
    {"data": "123"},
    {"data": 450},
    {"result": "123"},
    {"response": 123},
    {"state": "success"},
    {"success": "created"},
    {"result": {"success": True}},
    {"result": {"ok": 1}},
    {"charge": "0.5"},
    {"data": {"charge": 0.5}},
    {"order": {"number": 55}},
    {"orders": {"a": {"ref": "x7"}}},
    {"order_id_of_the_provider_that_we_use": 5},
    {"order_state": True},
    {"uuid": "a1-b2"},
]
NO_SIGNS: list[dict[str, Any]] = [
    *({name: 123} for name in ("service_id", "request_id", "requestId", "user_id", "error_code", "code", "balance")),
    *({name: value} for name in ("order", "order_id", "new_order_id") for value in (None, 0, "", "false", False)),
    {"charge": 0},
    {"charge": None},
    {"result": 422},
    {"valid": False},
    {"data": {"service": 5}},
    {"status": "failed"},
]


@pytest.mark.parametrize("sign", SIGNS, ids=json.dumps)
def test_add_when_a_field_may_mean_an_order_then_in_doubt(sign: dict[str, Any]) -> None:
    for body in ({"error": BAD, **sign}, {**sign, "error": BAD}, {"error": BAD, "x": [sign]}):
        assert isinstance(judge(body), Unknown), body


@pytest.mark.parametrize("beside", NO_SIGNS, ids=json.dumps)
def test_add_when_a_field_means_no_order_then_refused(beside: dict[str, Any]) -> None:
    outcome = judge({"error": BAD, **beside})
    assert isinstance(outcome, Refused) and outcome.code is ErrorCode.BAD_LINK


@pytest.mark.parametrize(
    "before",
    [
        "<br />\n<b>Notice</b>: Undefined index: x in <b>/a.php</b> on line <b>3</b><br />\n",
        "\nNotice: x in a on line 3\n",
        "[23-Nov-2026 10:00:00] PHP Notice: x\n",
        "Warning: x\nDeprecated: y\n",
        "\ufeff ",
    ],
)
def test_add_when_notices_precede_an_error_then_refused(before: str) -> None:
    outcome = judge(before + json.dumps({"error": BAD}))
    assert isinstance(outcome, Refused) and outcome.code is ErrorCode.BAD_LINK


@pytest.mark.parametrize(
    "body",
    [
        {"error": BAD, "message": "Your order is being processed"},
        {"error": BAD, "message": "We handle this ourselves"},
        {"error": BAD, "note": "Pedido gerado"},
        {"error": {"message": BAD, "note": "Order placed"}},
        {"errors": [BAD] * 25 + ["Tamam oldu"]},
        {"errors": [[[[["Order placed"]]]], BAD]},
        {"error": BAD, "message": FUNDS},
        {"error": [BAD, "Timeout"]},
        {"errors": {"link": [BAD], "quantity": ["Quantity less than minimum"]}},
        {"status": 500, "message": BAD},
        {"code": 503, "error": BAD},
        {"statusCode": 408, "error": BAD},
        {"success": False, "message": "Success"},
        {"error": f"{BAD} {'x ' * 300}"},
        {"error": "Internal error: invalid link"},
    ],
)
def test_add_when_refusal_has_two_voices_then_nobody_acts_on_it(body: Any) -> None:
    outcome = judge(body)
    assert isinstance(outcome, Refused) and outcome.code is ErrorCode.UNRECOGNIZED


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_reading_when_message_is_in_doubt_then_unavailable(status: int) -> None:
    evidence = Evidence(Phase.ANSWERED, status, "", 1)
    for text in ('{"message": "Server is busy, try again"}', "<html></html>", "{}"):
        with pytest.raises(UpstreamUnavailable):
            judge_reading(parse_balance, text=text, failure="", evidence=evidence)


def test_reading_when_server_ran_out_of_time_then_it_may_have_acted() -> None:
    evidence = Evidence(Phase.ANSWERED, 408, "", 1)
    with pytest.raises(UpstreamUnavailable):
        judge_reading(parse_balance, text='{"error": "Odd"}', failure="", evidence=evidence)
    assert ProviderRefused(ErrorCode.CANCEL_REFUSED, "Cannot cancel", evidence).may_have_acted
    assert not ProviderRefused(ErrorCode.FUNDS, FUNDS, evidence).may_have_acted


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Fail", "charge": "0.1"},
        {"status": "error", "remains": "10", "message": BAD},
        {"status": 200, "message": BAD},
        {"status": "success", "message": BAD},
        {"success": {"order": 5}, "message": BAD},
        {"ok": True, "message": BAD},
        {"type": 0, "message": BAD},
        {"result": [], "message": BAD},
        {"error": None, "message": BAD},
        {"error": False, "message": BAD},
        {"error": "0", "errors": [], "message": BAD},
        [{"error": BAD, "order": 5}],
        [{"error": BAD}, {"error": BAD}],
        [{"service": 1, "status": "0", "detail": "Views"}],
        [],
        None,
        "error",
    ],
)
def test_error_text_when_answer_is_no_error_then_empty(body: Any) -> None:
    assert error_text(body) == ""


# -- mutations ---------------------------------------------------------------------------------------------

SEEDS, ANSWERS = range(10), 1_000
STATUSES = [200, 201, 302, 400, 401, 404, 408, 422, 429, 500]
ALL_TEXTS = [text for texts in TEXTS.values() for text in lines(texts)]


def mutated(rng: random.Random) -> Any:
    """Return a refusal in one of the shapes, with another text, and changed a little."""
    shape = rng.choice([*ERRORS, *({**flag, **message} for flag in FLAGS[:8] for message in MESSAGES)])
    text = json.dumps(shape).replace(json.dumps(BAD), json.dumps(rng.choice(ALL_TEXTS)))
    changed = json.loads(text)
    for _ in range(rng.randrange(3)):
        target = changed[0] if isinstance(changed, list) and changed else changed
        if not isinstance(target, dict) or not target:
            break
        name = rng.choice(list(target))
        match rng.choice(["drop", "rename", "wrap", "add", "value"]):
            case "drop":
                del target[name]
            case "rename":
                target[rng.choice(["error", "message", "data", "status", "x"])] = target.pop(name)
            case "wrap":
                changed = {rng.choice(["data", "result", "response", "error"]): changed}
            case "add":
                target[rng.choice(["code", "success", "status", "note", "data"])] = rng.choice(hostile_values(rng))
            case "value":
                target[name] = rng.choice(hostile_values(rng))
    return changed


def hostile_values(rng: random.Random) -> list[Any]:
    return [
        None,
        True,
        False,
        0,
        1,
        -1,
        "",
        "ok",
        "fail",
        [],
        {},
        1e9,
        "x" * 900,
        rng.choice(ALL_TEXTS),
        ["a"],
        {"a": 1},
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_add_when_answers_are_mutated_then_only_outcomes(seed: int) -> None:
    rng = random.Random(f"refusals-{seed}")
    for number in range(ANSWERS):
        status = STATUSES[number % len(STATUSES)]
        text = json.dumps(mutated(rng))
        if rng.random() < 0.2:
            place = rng.randrange(len(text))
            text = text[:place] + rng.choice(["", "\x00", '"', "}", "<b>", "\u202e", "9" * 70]) + text[place + 1 :]
        outcome = judge(text, status)
        match outcome:
            case Refused():
                assert status < 500 and status != 408, (text, status)
                assert outcome.text
            case NotSent():
                assert status == 302
            case _:
                assert isinstance(outcome, Unknown | AddAccepted)
        try:
            judge_reading(parse_balance, text=text, failure="", evidence=Evidence(Phase.ANSWERED, status, "", 1))
        except (ProviderRefused, UnreadableAnswer, UpstreamUnavailable) as error:
            assert len(error.reason) <= 520


def place_id(answer: Any, rng: random.Random) -> Any:
    """Return the answer with an order's id in a plain place of it."""
    field = {rng.choice(["order", "order_id", "id", "orderId", "Order", "order_ids"]): rng.choice([23501, "23501"])}
    match rng.randrange(4):
        case 0 if isinstance(answer, dict):
            return {**answer, **field}
        case 1 if isinstance(answer, dict):
            return {**field, **answer}
        case 2 if isinstance(answer, dict) and "data" not in answer:
            return {**answer, "data": field}
        case _:
            return {"data": answer, **field}


@pytest.mark.parametrize("seed", SEEDS)
def test_add_when_an_id_is_in_the_answer_then_never_a_refusal(seed: int) -> None:
    rng = random.Random(f"ids-{seed}")
    for number in range(ANSWERS):
        answer = mutated(rng)
        if set(answer if isinstance(answer, dict) else ()) & {"order", "id"}:
            continue  # It would take the place of the id.
        body = place_id(answer, rng)
        outcome = judge(body, STATUSES[number % len(STATUSES)])
        assert not isinstance(outcome, Refused | NotSent), body


@pytest.mark.parametrize("seed", SEEDS)
def test_add_when_doubt_is_added_to_the_answer_then_not_certain(seed: int) -> None:
    rng = random.Random(f"doubts-{seed}")
    for _ in range(ANSWERS // 20):
        code = rng.choice(list(TEXTS))
        text = rng.choice(lines(TEXTS[code]))
        doubt = rng.choice(["Timeout", "Processing", "Internal server error", "Success", "Таймаут", "Sedang diproses"])
        for body in (
            {"error": text, "message": doubt},
            {"error": [text, doubt]},
            {"error": f"{doubt}: {text}"},
            {"success": False, "message": f"{text} ({doubt})"},
            {"errors": {"a": [text], "b": [doubt]}},
        ):
            outcome = judge(body)
            assert not isinstance(outcome, Refused) or outcome.code is ErrorCode.UNRECOGNIZED, body
