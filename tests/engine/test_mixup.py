"""Mixup: what is mixed, what decides it, and that soft targets train."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.augment import pipeline
from engine.augment.mixup import mixup
from engine.random import stream
from tests.engine.test_training import SPEC, images


def samples(n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(n * 6, dtype=np.float32).reshape(n, 1, 2, 3)
    return x, np.eye(3)[np.arange(n) % 3]


def test_by_hand():
    x, t = samples()
    draws = stream(4, "mixup", 7)
    portion = draws.beta(0.2, 0.2)
    order = draws.permutation(5)
    mixed, soft = mixup(x, t, alpha=0.2, seed=4, step=7)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, portion * x + (1 - portion) * x[order], rtol=1e-6)
    np.testing.assert_allclose(soft, portion * t + (1 - portion) * t[order])
    np.testing.assert_allclose(soft.sum(axis=1), 1)


def test_seed_and_step_decide():
    x, t = samples()
    first = mixup(x, t, alpha=1, seed=0, step=3)[0]
    again = mixup(x, t, alpha=1, seed=0, step=3)[0]
    assert first.tobytes() == again.tobytes()
    others = [mixup(x, t, alpha=1, seed=s, step=k)[0] for s, k in ((1, 3), (0, 4))]
    assert len({y.tobytes() for y in [first, *others]}) == 3


def largest(x: np.ndarray, alpha: float, step: int) -> float:
    """Return the larger portion of two samples that were mixed."""
    soft = mixup(x, np.eye(5), alpha=alpha, seed=0, step=step)[1]
    return soft.max(axis=1).min()


def test_alpha_0_changes_nothing_and_small_ones_little():
    x, t = samples()
    mixed, soft = mixup(x, t, alpha=0, seed=0, step=0)
    np.testing.assert_array_equal(mixed, x)
    np.testing.assert_array_equal(soft, t)
    purity = {
        alpha: np.mean([largest(x, alpha, step) for step in range(200)])
        for alpha in (0.1, 8)
    }
    assert purity[0.1] > 0.9 and purity[8] < 0.65


@pytest.mark.parametrize(
    "t, alpha, text",
    [
        (np.array([0, 1, 2, 0, 1]), 0.2, r"floating numbers \(n, K\).*np.eye\(K\)"),
        (np.array([[0], [1], [2], [0], [1]]), 0.2, "received int64"),
        (np.zeros((4, 3)), 0.2, r"as many targets as samples \(=5\).*\(4, 3\)"),
        (np.zeros((5, 3)), -1, "alpha: expected a number of at least 0, received -1"),
        (np.zeros((5, 3)), "1", "alpha: expected a number"),
        (np.zeros((5, 3)), float("nan"), "alpha: expected a number"),
    ],
)
def test_refused(t, alpha, text):
    with pytest.raises(engine.InputError, match=text):
        mixup(samples()[0], t, alpha=alpha, seed=0, step=0)


def test_soft_targets_train_and_resume(any_device, tmp_path):
    """Three classes are learned from mixed images alone; a resumed run ends alike."""
    x, t = images(120)
    steps = pipeline.parse_steps([{"gaussian_noise": {"sd": 0.1}}])
    low, high = x.min(), x.max()

    def fit(passes: int, checkpoint) -> tuple[engine.Network, engine.History]:
        net = engine.Network.from_spec(SPEC, device=any_device, seed=0)
        trainer = engine.Trainer(net, {"adam": {"learning_rate": 0.01}}, 20)

        def transform(x, t, samples, number):
            x = pipeline.augment_batch(
                (x - low) / (high - low), steps, seed=0, epoch=number, samples=samples
            )
            x = x * (high - low) + low
            return mixup(x, np.eye(3)[t[:, 0]], alpha=0.4, seed=0, step=trainer.steps)

        history = trainer.fit(
            (x, t), passes=passes, checkpoint=checkpoint, transform=transform
        )
        return net, history

    net, history = fit(12, tmp_path / "whole")
    assert history.rows[-1]["training_loss"] < 0.8 * history.rows[0]["training_loss"]
    assert (net.predict(x).argmax(axis=1) == t).mean() > 0.95
    fit(5, tmp_path / "part")
    resumed, _ = fit(12, tmp_path / "part")
    for name, value in net.parameters().items():
        assert resumed.parameters()[name].tobytes() == value.tobytes()
