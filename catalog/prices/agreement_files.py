"""Write a customer's agreed prices as CSV, and read such a file. Pure, but for the services that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.core.exceptions import ValidationError

from catalog.models import CustomerPrice, Service
from catalog.prices.csv_format import FileRefused
from panel.lib.admin.fields import AmountField
from panel.lib.bulk_sql import ROWS, in_chunks
from panel.lib.csv_files import NotCSV, as_csv, decoded, delimiter_of, rows_of
from panel.lib.digits import whole_number
from panel.lib.money import format_plain

COLUMNS = ("service", "name", "list price", "agreed price")
# Rows, and bytes of a file with the longest names.
MAX_ROWS = 5_000
MAX_FILE = 2 * 1024 * 1024
_AMOUNT = AmountField()


def write_agreements(*, customer_id: int) -> Iterator[str]:
    """Yield the customer's agreed prices as lines of a file, by service."""
    own = CustomerPrice.objects.filter(customer=customer_id).order_by("service_id")
    rows = own.values_list("service_id", "service__name", "service__price", "price").iterator(chunk_size=ROWS)
    return as_csv(COLUMNS, ((str(pk), name, format_plain(listed), format_plain(own)) for pk, name, listed, own in rows))


def read_agreements(data: bytes) -> dict[int, int]:
    """Return the prices (micro-units) of a file by service; a row without a price is left alone. Raise FileRefused."""
    try:
        text = decoded(data)
        lines = list(rows_of(text, delimiter=delimiter_of(text, among=",;")))
    except NotCSV as error:
        raise FileRefused([str(error)]) from error
    names = [" ".join(cell.split()).lower() for cell in lines[0][1]] if lines else []
    for name in ("service", "agreed price"):
        if names.count(name) != 1:
            missing = "is missing" if name not in names else "stands there twice"
            raise FileRefused([f"The column “{name}” {missing}. The first line names the columns."])
    if len(lines) > MAX_ROWS + 1:
        raise FileRefused([f"The file has {len(lines) - 1:,} rows, and {MAX_ROWS:,} are read at once. Split it."])
    return _prices(names, lines[1:])


def _prices(names: list[str], lines: list[tuple[int, list[str]]]) -> dict[int, int]:
    known = _known(number for _, cells in lines if (number := _number(names, cells)) is not None)
    found: dict[int, int] = {}
    at: dict[int, int] = {}
    errors = []
    for line, cells in lines:
        try:
            service, price = _row(names, cells, known)
        except ValueError as error:
            errors.append(f"Line {line}: {error}")
            continue
        if service in at:
            errors.append(f"Line {line}: service {service} stands on line {at[service]} already.")
        at.setdefault(service, line)
        if price is not None:
            found[service] = price
    if errors:
        raise FileRefused(errors)
    if not found:
        raise FileRefused(["The file holds no prices."])
    return found


def _row(names: list[str], cells: list[str], known: set[int]) -> tuple[int, int | None]:
    """Return the service and its price of a line. Raise ValueError."""
    if len(cells) != len(names):
        raise ValueError(f"it has {len(cells)} cells, the first line has {len(names)}.")
    service = _number(names, cells)
    if service is None:
        raise ValueError("the service is not a number.")
    if service not in known:
        raise ValueError(f"there is no service {service}.")
    text = cells[names.index("agreed price")]
    if not text:
        return service, None
    if "," in text:
        raise ValueError("agreed price: write the number with a decimal point and without commas, such as 12.5.")
    try:
        price = _AMOUNT.clean(text)
    except ValidationError as error:
        raise ValueError(f"agreed price: {' '.join(error.messages)}") from error
    if not price:
        raise ValueError("agreed price: it has to be above zero.")
    return service, price


def _number(names: list[str], cells: list[str]) -> int | None:
    place = names.index("service")
    return whole_number(cells[place]) if place < len(cells) else None


def _known(pks: Iterable[int]) -> set[int]:
    return {pk for chunk in in_chunks(pks) for pk in Service.objects.filter(pk__in=chunk).values_list("pk", flat=True)}
