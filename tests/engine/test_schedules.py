"""Schedules: their values, their passes, their mistakes, and their checkpoints."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

import engine
from engine import schedules
from tests.engine.test_training import LINEAR, digest, trainer_of, vectors

RATE = 0.001
S4 = {"cosine": {"passes": 100, "minimum": 2e-5}}


def rates(value, count: int, steps_per_pass: int = 1) -> list[float]:
    schedule = schedules.in_passes_of(schedules.parse(value, RATE), steps_per_pass)
    return [RATE * schedule(step) for step in range(count)]


@pytest.mark.parametrize("value", [None, "constant", {"constant": {}}])
def test_constant(value):
    assert rates(value, 5) == [RATE] * 5


@pytest.mark.parametrize("unit", ["steps", "passes"])
def test_step_multiplies_after_every_n(unit):
    received = rates({"step": {unit: 3, "factor": 0.5}}, 10)
    expected = [1.0] * 3 + [0.5] * 3 + [0.25] * 3 + [0.125]
    assert received == pytest.approx([RATE * factor for factor in expected])


def test_step_takes_a_tenth_if_nothing_is_said():
    assert rates({"step": {"steps": 1}}, 3) == pytest.approx([RATE, 1e-4, 1e-5])


def test_cosine_goes_from_the_rate_to_the_minimum_and_stays_there():
    received = rates(S4, 130)
    assert received[0] == RATE
    assert received[50] == pytest.approx((RATE + 2e-5) / 2)
    quarter = 2e-5 + 0.5 * (RATE - 2e-5) * (1 + math.cos(math.pi / 4))
    assert received[25] == pytest.approx(quarter)
    assert received[100:] == pytest.approx([2e-5] * 30)
    assert all(later < rate for rate, later in pairwise(received[:101]))


def test_within_a_pass_the_factor_stays():
    by_step = rates(S4, 8)
    received = rates(S4, 24, steps_per_pass=3)
    assert received == [rate for rate in by_step for _ in range(3)]
    in_steps = {"cosine": {"steps": 100, "minimum": 2e-5}}
    assert rates(in_steps, 8, steps_per_pass=3) == by_step


def test_fit_knows_how_many_steps_a_pass_has(reference):
    """40 samples in batches of 16: 3 steps; what is seen are the rates of the steps."""
    setting = {"step": {"passes": 2, "factor": 0.5}}
    trainer = trainer_of(LINEAR, reference, batch_size=16, schedule=setting)
    seen, update = [], trainer._update

    def spy():
        seen.append(reference.state.learning_rate)
        update()

    trainer._update = spy
    trainer.fit(vectors(40), passes=5)
    assert seen == pytest.approx([0.1] * 6 + [0.05] * 6 + [0.025] * 3)


def test_passes_without_fit_are_an_error(reference):
    trainer = trainer_of(LINEAR, reference, schedule={"step": {"passes": 2}})
    text = "only `fit` knows; without `fit` give its length in steps"
    before = digest(trainer.network)
    with pytest.raises(engine.InputError, match=text):
        trainer.step(*vectors())
    assert digest(trainer.network) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("cosin", r"schedule: unknown schedule 'cosin' \(did you mean 'cosine'\?\)"),
        (0.5, "schedule: expected the name of a schedule, or .*, received 0.5"),
        ({"step": {"steps": 2, "gamma": 0.1}}, "step: unknown setting 'gamma'"),
        ({"step": {"step": 2}}, r"unknown setting 'step' \(did you mean 'steps'\?\)"),
        ({"step": {"factor": 0.1}}, "step: expected its length in .* received neither"),
        ({"cosine": {"steps": 2, "passes": 2}}, "cosine: .*received steps and passes"),
        ({"cosine": {"passes": 0}}, "passes: expected an integer of at least 1, rec"),
        (
            {"cosine": {"passes": 9, "minimum": 0.2}},
            r"cosine: minimum: expected a number in \[0.0, 0.1\], received 0.2",
        ),
        (
            {"step": {"steps": 2, "factor": 1.5}},
            r"factor: .*\[0.0, 1.0\], received 1.5",
        ),
        ({"constant": {"factor": 1}}, "constant: unknown setting 'factor'"),
    ],
)
def test_mistakes_are_named(value, text, reference):
    with pytest.raises(engine.SpecError, match=text):
        trainer_of(LINEAR, reference, schedule=value)


def test_a_checkpoint_belongs_to_its_schedule(reference, tmp_path):
    def train(passes, length):
        trainer = trainer_of(
            LINEAR,
            reference,
            batch_size=16,
            schedule={"cosine": {"passes": length, "minimum": 0.01}},
        )
        trainer.fit(vectors(), passes=passes, checkpoint=tmp_path / "c.npz")
        return digest(trainer.network)

    train(2, 4)
    with pytest.raises(engine.CheckpointError, match="belongs to another training"):
        train(4, 5)
    resumed = train(4, 4)
    (tmp_path / "c.npz").unlink()
    assert train(4, 4) == resumed
