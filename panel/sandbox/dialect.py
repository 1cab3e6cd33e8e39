"""How a provider's API v2 differs from the standard. Real panels may know only one form or answer in another shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Rows = Literal["list", "dict", "errors"]
ROWS = frozenset({"list", "dict", "errors"})
DONE = "Your order will be cancel asap. Thank you for patience."


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The standard, unless set otherwise.

    `one` and `many`: whether it accepts `order` and `refill`, and the lists `orders` and `refills`; for the other
    form it returns the error `refusal`. `refill_ids`: whether `refill` returns an id. `rows`, for a list of cancels
    or refills:

    - list: `[{"order": 9, "cancel": 1}, {"order": 2, "cancel": {"error": …}}]`
    - dict: `{"9": {"cancel": 1}, "2": {"cancel": {"error": …}}}`
    - errors: as list, with errors as `{"order": 2, "error": …}`

    `wrapped_errors`: an error for one is `{"cancel": {"error": …}}`, in the shape of a success.
    """

    one: bool = True
    many: bool = True
    refusal: str = "Incorrect request"
    refill_ids: bool = True
    rows: Rows = "list"
    wrapped_errors: bool = False

    def __post_init__(self) -> None:
        if self.rows not in ROWS:
            raise ValueError(f"no such shape of rows: {self.rows!r}")

    def for_one(self, word: str, result: Any) -> Any:
        """Return the answer for one: `result` is an id, an error as `{"error": text}`, or None for a plain success."""
        if result is None:
            return {"success": DONE}
        if _is_error(result) and not self.wrapped_errors:
            return result
        return {word: result}

    def for_many(self, word: str, results: dict[int | str, Any]) -> Any:
        """Return the answer for many; `results` are by order id."""
        if self.rows == "dict":
            return {str(name): self._row(word, result) for name, result in results.items()}
        return [{"order": name, **self._row(word, result)} for name, result in results.items()]

    def _row(self, word: str, result: Any) -> dict[str, Any]:
        if result is None:
            return {"success": DONE}
        return dict(result) if _is_error(result) and self.rows == "errors" else {word: result}


def _is_error(result: object) -> bool:
    return isinstance(result, dict)
