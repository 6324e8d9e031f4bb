"""Philox against the published known answers, and what the pipeline relies on."""

import numpy as np
import pytest

from engine import random

KNOWN = [  # Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, block
    ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize("counter, key, block", KNOWN)
def test_known_answers(counter, key, block):
    words = random.philox(np.array(counter, np.uint32), key)
    assert " ".join(f"{w:08x}" for w in words) == block


def test_rows_do_not_depend_on_how_many_are_drawn():
    whole = random.uniform(3, "dropout", shape=(8, 7), step=5, layer=2)
    part = random.uniform(3, "dropout", shape=(2, 7), step=5, layer=2, first_row=4)
    np.testing.assert_array_equal(whole[4:6], part)


def test_seed_purpose_step_and_layer_all_matter():
    def draw(seed=1, purpose="dropout", step=0, layer=0):
        return random.bits(seed, purpose, 1, 64, step=step, layer=layer)

    draws = [draw(), draw(seed=2), draw(purpose="init"), draw(step=1), draw(layer=1)]
    assert len({d.tobytes() for d in draws}) == len(draws)


def test_uniform_and_normal_have_their_moments():
    u = random.uniform(0, "noise", shape=(1, 100_000))
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005 and abs(u.var() - 1 / 12) < 0.002
    z = random.normal(0, "noise", shape=(1, 100_000))
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.01


def test_permutation_is_one():
    order = random.permutation(7, "order", 1000, step=3)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert (order != random.permutation(7, "order", 1000, step=4)).any()


def test_streams_are_independent_of_each_other():
    first = random.stream(0, "augment", "drawing-a", 1)
    second = random.stream(0, "augment", "drawing-b", 1)
    again = random.stream(0, "augment", "drawing-a", 1)
    a = first.uniform(-2, 3, size=5)
    assert (second.uniform(-2, 3, size=5) != a).all()
    np.testing.assert_array_equal(again.uniform(-2, 3, size=5), a)
    assert first.choice_mask(200, 0.3).sum() == 60
    values = first.integers(2, 5, size=300)
    assert set(values.tolist()) == {2, 3, 4}


def test_many_streams_at_once_are_the_streams():
    names = [("a", 1), ("b", 1), ("a", 2)]
    many = random.streams(3, "augment", names)
    alone = [random.stream(3, "augment", *name) for name in names]
    for size in [(5,), (2, 3), (0,), ()]:
        drawn = many.uniform(size)
        expected = np.array([one.uniform(size=size) for one in alone])
        np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(
        many.normal((4,)), [one.normal(size=4) for one in alone]
    )
    np.testing.assert_array_equal(
        many.choice_mask(9, 0.4), [one.choice_mask(9, 0.4) for one in alone]
    )


def test_a_draw_for_some_streams_leaves_the_others_alone():
    many = random.streams(3, "augment", [("a",), ("b",), ("c",)])
    first, _, third = (random.stream(3, "augment", name) for name in "abc")
    some = many.uniform((6,), np.array([0, 2]))
    expected = [first.uniform(size=6), third.uniform(size=6)]
    np.testing.assert_array_equal(some, expected)
    then = many.uniform((3,))
    np.testing.assert_array_equal(then[2], third.uniform(size=3))
    np.testing.assert_array_equal(
        then[1], random.stream(3, "augment", "b").uniform(size=3)
    )


@pytest.mark.parametrize("a, b", [(0.1, 0.1), (1, 1), (0.4, 2.5), (8, 8)])
def test_beta_has_its_distribution(a, b):
    stats = pytest.importorskip("scipy.stats")
    drawn = [random.stream(0, "mixup", i).beta(a, b) for i in range(1000)]
    assert min(drawn) >= 0 and max(drawn) <= 1
    assert stats.kstest(drawn, stats.beta(a, b).cdf).pvalue > 0.01


def test_beta_of_tiny_shapes_is_one_end_or_the_other():
    drawn = {random.stream(0, "mixup", i).beta(1e-4, 1e-4) for i in range(50)}
    assert drawn == {0.0, 1.0}


@pytest.mark.parametrize(
    "seed, purpose, text",
    [(-1, "init", "seed: expected 0"), (0, "fun", "expected one of")],
)
def test_bad_keys(seed, purpose, text):
    with pytest.raises(ValueError, match=text):
        random.bits(seed, purpose, 1, 1)
