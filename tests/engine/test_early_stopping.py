"""Early stopping: seven passes in a row without a better score, the best restored."""

from __future__ import annotations

import math

import numpy as np

from engine.training.early_stopping import EarlyStopping
from tests.engine.test_training import LINEAR, SPEC, digest, images, trainer_of, vectors


def scripted(scores: list[float]):
    """Return a score function that gives these numbers, one a pass."""
    left = iter(scores)
    return lambda outputs, t: next(left)


def fit_with_scores(device, scores, **settings):
    """Return (history, parameters after each pass, those at the end)."""
    trainer, seen = trainer_of(LINEAR, device), []
    history = trainer.fit(
        vectors(),
        vectors(8),
        passes=len(scores),
        score=scripted(scores),
        on_epoch=lambda row: seen.append(digest(trainer.network)),
        **settings,
    )
    return history, seen, digest(trainer.network)


def test_stops_after_seven_passes_in_a_row_without_a_better_score(any_device):
    scores = [5.0, 4.0] + [4.5, 4.0, 6.0, 4.1, 4.2, 4.0] + [3.0] + [3.5] * 7 + [1.0] * 9
    history, seen, end = fit_with_scores(any_device, scores, tolerance=7)
    # Six bad passes in a row are borne, the seventh after pass 9 is the last.
    assert len(history.rows) == 16
    assert history.stopped == "tolerance"
    assert history.best_pass == 9
    assert end == seen[8]
    assert len(set(seen)) == 16


def test_an_equal_score_is_not_better(reference):
    history, seen, end = fit_with_scores(reference, [2.0] * 9, tolerance=7)
    assert (len(history.rows), history.best_pass) == (8, 1)
    assert end == seen[0]


def test_higher_may_be_better(reference):
    history, seen, end = fit_with_scores(
        reference, [0.1, 0.9, 0.5, 0.6, 0.95], tolerance=2, score_better="higher"
    )
    assert (len(history.rows), history.best_pass) == (4, 2)
    assert end == seen[1]


def test_without_tolerance_all_passes_are_done_and_the_best_restored(reference):
    history, seen, end = fit_with_scores(reference, [3.0, 1.0, 2.0, 2.0, 2.0])
    assert (len(history.rows), history.best_pass) == (5, 2)
    assert history.stopped == "passes"
    assert end == seen[1]


def test_the_last_bad_pass_may_be_the_last_pass(reference):
    history, _, _ = fit_with_scores(reference, [1.0, 2.0, 2.0], tolerance=2)
    assert (len(history.rows), history.stopped) == (3, "tolerance")


def test_a_nan_score_is_never_the_best():
    stopping = EarlyStopping(tolerance=2)
    assert not stopping.see(math.nan, 1)
    assert stopping.see(3.0, 2)
    assert not stopping.see(math.nan, 3)
    assert not stopping.exhausted
    assert not stopping.see(4.0, 4)
    assert stopping.exhausted
    assert (stopping.best, stopping.best_pass) == (3.0, 2)


def test_score_sees_outputs_and_targets_as_given(any_device):
    seen = {}

    def score(outputs, t):
        seen.update(outputs=outputs, t=t)
        return 0.0

    x, t = images(9)
    trainer = trainer_of(SPEC, any_device)
    trainer.fit((x, t), (x, t), passes=1, score=score)
    assert seen["outputs"].shape == (9, 3)
    np.testing.assert_array_equal(seen["t"], t)
    trainer = trainer_of(LINEAR, any_device)
    x, t = vectors(6)
    trainer.fit((x, t), (x, t), passes=1, score=score)
    np.testing.assert_array_equal(seen["t"], t)
