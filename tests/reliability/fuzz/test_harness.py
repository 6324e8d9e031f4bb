"""The fuzzing itself: it finds what it is to find, and finds the same again."""

from __future__ import annotations

import json
import random
import time
import warnings

import numpy as np
import pytest

from tests.reliability.fuzz import harness
from tests.reliability.fuzz.mutate import damaged, damaged_tree

pytestmark = pytest.mark.reliability


def foreign_error(path):
    json.loads("{")


def bare_error(path):
    raise ValueError("expected something else")


def slow(path):
    begin = time.process_time()
    while time.process_time() - begin < 0.2:
        pass


def endless(path):
    while True:
        time.sleep(0.01)


def large(path):
    np.ones(1 << 28).sum()


def warned(path):
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def wrong(path):
    return {}["key"]


FINDS = {
    foreign_error: "expected an error that names",
    bare_error: "expected an error that names",
    slow: "of computing, expected at most 0.1",
    endless: "no end after 1 s",
    large: "received MemoryError",
    warned: "received RuntimeWarning",
    wrong: "received KeyError",
}


@pytest.mark.parametrize("reader", FINDS, ids=lambda reader: reader.__name__)
def test_a_find_is_told_with_its_file_and_how_to_run_it_again(
    reader, tmp_path, monkeypatch
):
    monkeypatch.setitem(harness.CASES, "x", 1)
    monkeypatch.setattr(harness, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(harness, "SECONDS", 0.1)
    monkeypatch.setattr(harness, "HANG", 1)
    monkeypatch.setattr(harness, "done", {})
    with pytest.raises(pytest.fail.Exception) as raised:
        harness.fuzz("x", tmp_path, lambda case: reader(case.write("a.bin", b"abc")))
    text = str(raised.value)
    assert FINDS[reader] in text
    assert f"FUZZ_SEED={harness.SEED} FUZZ_ONLY=0" in text
    assert (tmp_path / "kept" / f"x-{harness.SEED}-0" / "a.bin").read_bytes() == b"abc"


def test_one_case_can_be_run_again(tmp_path, monkeypatch):
    def written() -> list[bytes]:
        found = []
        harness.fuzz("x", tmp_path, lambda case: found.append(damaged(case.rng, data)))
        return found

    data = bytes(range(200))
    monkeypatch.setitem(harness.CASES, "x", 20)
    monkeypatch.setattr(harness, "done", {})
    all_ = written()
    assert all_ == written() and len(set(all_)) > 15
    monkeypatch.setattr(harness, "ONLY", "7")
    assert written() == [all_[7]]


def test_a_mutator_leaves_what_it_was_given(tmp_path):
    tree = {"a": [1, 2, {"b": None}], "c": "x"}
    before = json.dumps(tree)
    changed = [damaged_tree(random.Random(i), tree) for i in range(200)]
    assert json.dumps(tree) == before
    assert sum(repr(c) != repr(tree) for c in changed) > 190


def test_there_are_enough_cases():
    assert sum(harness.CASES.values()) >= 10_000
