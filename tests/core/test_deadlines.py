"""Deadlines, against the plainest model there is: a dictionary."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rejoinder.core.deadlines import Deadline, Deadlines

NAMES = "abcdefghijkl"
"""More of them than are looked through one by one."""

OWNERS = st.sampled_from(NAMES)
MOMENTS = st.integers(0, 9).map(float)
WORDS = st.one_of(
    st.tuples(st.just("set"), OWNERS, MOMENTS),
    st.tuples(st.just("set"), OWNERS, MOMENTS),
    st.tuples(st.just("clear"), OWNERS, MOMENTS),
    st.tuples(st.just("due"), OWNERS, MOMENTS),
)


def first(model: dict[str, Deadline]) -> Deadline | None:
    return min(model.values(), key=lambda deadline: (deadline.when, deadline.whose), default=None)


@given(st.one_of(st.lists(WORDS, max_size=40), st.lists(WORDS, min_size=40, max_size=120)))
def test_deadlines_behave_like_a_dictionary_that_knows_its_minimum(
    words: list[tuple[str, str, float]],
) -> None:
    deadlines, model = Deadlines(), dict[str, Deadline]()
    for word, owner, moment in words:
        match word:
            case "set":
                deadlines.set(owner, moment, "why")
                model[owner] = Deadline(moment, "why", owner)
            case "clear":
                deadlines.clear(owner)
                model.pop(owner, None)
            case _:
                expected = first(model)
                if expected is not None and expected.when > moment:
                    expected = None
                assert deadlines.due(moment) == expected
                if expected is not None:
                    del model[expected.whose]
        assert deadlines.earliest() == first(model)
        assert [deadlines.get(owner) for owner in NAMES] == [model.get(owner) for owner in NAMES]


def among(others: int) -> Deadlines:
    """So many deadlines that are far off: few are looked through, of many there is a heap."""
    deadlines = Deadlines()
    for number in range(others):
        deadlines.set(f"other {number}", 1e6, "queue")
    return deadlines


@pytest.mark.parametrize("others", [0, 20])
def test_a_deadline_that_moves_to_and_fro_leaves_nothing_behind(others: int) -> None:
    deadlines, sizes = among(others), []
    for now in range(200):
        deadlines.set("a", now + 10.0, "gap")
        deadlines.set("a", now + 1.0, "grace")
        deadlines.set("a", now + 10.0, "gap")
        deadlines.set(f"edit {now % 7}", now + 5.0, "edit")
        deadlines.clear(f"edit {now % 7}")
        assert deadlines.due(float(now)) is None
        sizes.append(len(pickle.dumps(deadlines)))
    assert max(sizes[100:]) <= max(sizes[:100])


@pytest.mark.parametrize("others", [0, 20])
def test_owners_that_come_and_go_leave_nothing_behind(others: int) -> None:
    deadlines, sizes = among(others), []
    for now in range(1000):
        deadlines.set(f"edit {now + 1}", now + 5.0, "edit")
        deadlines.clear(f"edit {now}")
        assert deadlines.earliest() == Deadline(now + 5.0, "edit", f"edit {now + 1}")
        sizes.append(len(pickle.dumps(deadlines)))
    assert max(sizes) < 4096 + 100 * others


@pytest.mark.parametrize("others", [0, 20])
def test_a_deadline_that_moves_ever_nearer_leaves_nothing_behind(others: int) -> None:
    deadlines, sizes = among(others), []
    for step in range(1000):
        deadlines.set("a", 5000.0 - step, "gap")
        sizes.append(len(pickle.dumps(deadlines)))
    assert max(sizes) < 4096 + 100 * others
    assert deadlines.earliest() == Deadline(4001.0, "gap", "a")


def test_of_many_that_are_all_taken_out_none_is_left() -> None:
    deadlines = among(20)
    for number in range(20):
        deadlines.clear(f"other {number}")
    assert deadlines.earliest() is None
    deadlines.set("a", 1.0, "gap")
    deadlines.set("b", 2.0, "gap")
    assert deadlines.earliest() == Deadline(1.0, "gap", "a")


def test_two_are_equal_if_they_say_the_same_whatever_they_said_before() -> None:
    one, other = Deadlines(), Deadlines()
    one.set("a", 1.0, "gap")
    one.set("a", 2.0, "gap")
    other.set("a", 2.0, "gap")
    assert one == other
    other.set("a", 2.0, "grace")
    assert one != other
    assert one != "something else"
