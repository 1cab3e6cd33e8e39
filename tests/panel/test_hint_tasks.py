"""What a task leaves in memory when it fails."""

from __future__ import annotations

import gc
import weakref

import pytest

from panel.celery import app
from panel.hint_tasks import free_locals


class Rows(list):
    """A list that can be referred to weakly."""


def fail(kept: list[weakref.ref]) -> None:
    """Raise an error that another led to, as the database's do; the frames of both hold rows."""
    rows = Rows(range(10))
    kept.append(weakref.ref(rows))
    try:
        _fail(kept)
    except ValueError as error:
        own = error  # A cycle: the error refers to this frame, and this frame to the error.
        raise RuntimeError("in the round") from own


def _fail(kept: list[weakref.ref]) -> None:
    rows = Rows(range(10))
    kept.append(weakref.ref(rows))
    raise ValueError("in the database")


@pytest.fixture
def no_collection():
    gc.disable()
    yield
    gc.enable()


def test_locals_when_a_chain_of_errors_is_freed_then_all_are_gone(no_collection):
    kept: list[weakref.ref] = []
    with pytest.raises(RuntimeError) as caught:
        fail(kept)
    assert [one() is None for one in kept] == [False, False]
    free_locals(caught.value)
    assert [one() is None for one in kept] == [True, True]


def test_locals_when_errors_refer_to_each_other_then_freed_once():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    free_locals(first)
    free_locals(None)


def test_task_when_it_fails_then_its_locals_are_freed(no_collection):
    kept: list[weakref.ref] = []

    def work() -> None:
        fail(kept)

    task = app.task(name="tests.fails")(work)
    try:
        assert task.apply().failed()
    finally:
        app.tasks.unregister(task.name)
    assert len(kept) == 2 and [one() is None for one in kept] == [True, True]
