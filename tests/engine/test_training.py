"""Training: sameness, steps, passes, early stopping, divergence."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

import engine
from engine import random
from engine.backends.threads import Threads
from tests.engine.cases import relative

SPEC = {
    "input": [1, 8, 7],
    "layers": [
        {"conv": {"filters": 4, "kernel": 3, "padding": "same", "bias": "learned"}},
        {"activation": "relu"},
        {"batch_norm": {}},
        {"max_pool": {"size": 2}},
        {"dropout": 0.25},
        {"dense": {"units": 3}},
    ],
    "loss": "softmax_cross_entropy",
}
LINEAR = {
    "input": [4],
    "layers": [{"dense": {"units": 1}}],
    "loss": "mean_squared_error",
}
SGD = {"sgd": {"learning_rate": 0.1}}


def images(n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Return n images in three classes that a small network can tell apart."""
    generator = np.random.Generator(np.random.PCG64(3))
    t = generator.integers(0, 3, n)
    x = 0.3 * generator.standard_normal((n, 1, 8, 7))
    x[np.arange(n), 0, 2 * t + 1] += 1.0
    return x, t


def vectors(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(4))
    x = generator.standard_normal((n, 4))
    return x, x @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3


def trainer_of(spec, device, seed: int = 0, optimizer=SGD, **settings):
    net = engine.Network.from_spec(spec, device=device, seed=seed)
    return engine.Trainer(net, optimizer, seed=seed, **settings)


def digest(net: engine.Network) -> str:
    h = hashlib.sha256()
    for name, value in net.parameters().items():
        h.update(name.encode() + value.tobytes())
    return h.hexdigest()


def steps(trainer: engine.Trainer, count: int, data=None, batch: int = 16) -> str:
    """Take steps on batches in turn; return the digest of the parameters."""
    x, t = data or images()
    for i in range(count):
        rows = np.arange(i * batch, (i + 1) * batch) % len(x)
        trainer.step(x[rows], t[rows])
    return digest(trainer.network)


# --- sameness -------------------------------------------------------------------------


def test_fifty_steps_twice_give_the_same_bytes(any_device):
    first = steps(trainer_of(SPEC, any_device), 50)
    assert steps(trainer_of(SPEC, any_device), 50) == first
    assert steps(trainer_of(SPEC, any_device, seed=1), 50) != first


def test_fifty_steps_give_the_same_bytes_for_any_number_of_threads():
    spec = SPEC | {"input": [1, 32, 28]}
    spec["layers"] = [{"conv": {"filters": 8, "kernel": 7}}, *SPEC["layers"]]
    generator = np.random.Generator(np.random.PCG64(3))
    data = generator.standard_normal((40, 1, 32, 28)), generator.integers(0, 3, 40)
    results = set()
    for threads in (1, 2, 3):
        device = Threads(threads)
        results.add(steps(trainer_of(spec, device), 50, data))
        device.close()
    assert len(results) == 1


def test_opencl_gives_the_same_bytes_for_any_number_of_threads(opened):
    if opened("opencl").kind != "cpu":
        pytest.skip("the number of threads is the CPU's business")
    code = (
        "import sys, engine\n"
        "from tests.engine.test_training import SPEC, steps, trainer_of\n"
        "device = engine.open_device('opencl', threads=int(sys.argv[1]))\n"
        "print(steps(trainer_of(SPEC, device), 20))\n"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code, threads],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert len(digests[0].strip()) == 64
    assert digests[0] == digests[1]


def test_devices_train_alike(device, reference):
    """Twenty steps with dropout stay within rounding of the reference's."""
    ours, theirs = trainer_of(SPEC, device), trainer_of(SPEC, reference)
    steps(ours, 20)
    steps(theirs, 20)
    expected = theirs.network.parameters()
    for name, value in ours.network.parameters().items():
        assert relative(value, expected[name]) <= 1e-4


# --- a step ---------------------------------------------------------------------------


def test_a_step_returns_the_loss_and_follows_the_gradient(any_device):
    trainer = trainer_of(LINEAR, any_device)
    net, (x, t) = trainer.network, vectors()
    before, gradients = net.parameters(), net.gradients(x, t)
    expected = net.loss(x, t)
    assert trainer.step(x, t) == pytest.approx(expected, rel=1e-6)
    for name, value in net.parameters().items():
        moved = before[name] - 0.1 * gradients[name]
        np.testing.assert_allclose(value, moved, rtol=1e-5, atol=1e-7)


def test_training_learns(any_device):
    trainer = trainer_of(SPEC, any_device)
    x, t = images()
    before = trainer.network.loss(x, t)
    for _ in range(60):
        trainer.step(x, t)
    assert trainer.network.loss(x, t) < 0.2 * before
    assert (trainer.network.predict(x).argmax(axis=1) == t).all()


def test_fixed_biases_never_move(any_device):
    init = {"uniform": {"W": 1.0, "B": 0.5}}
    spec = {
        "input": [1, 6, 5],
        "layers": [
            {"conv": {"filters": 3, "kernel": 3, "bias": "fixed", "init": init}},
            {"activation": "tanh"},
            {"dense": {"units": 2, "bias": "fixed", "init": init}},
        ],
        "loss": "squared_error",
    }
    trainer = trainer_of(spec, any_device)
    before = trainer.network.parameters()
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(5):
        x = generator.standard_normal((4, 1, 6, 5))
        trainer.step(x, generator.standard_normal((4, 2)))
    for name, value in trainer.network.parameters().items():
        same = value.tobytes() == before[name].tobytes()
        assert same == name.endswith(".bias"), name


def test_schedule_is_a_factor_of_the_step(any_device):
    seen = []

    def schedule(step):
        seen.append(step)
        return 0.0 if step == 1 else 1.0

    trainer = trainer_of(LINEAR, any_device, schedule=schedule)
    states = [digest(trainer.network)]
    for _ in range(3):
        trainer.step(*vectors())
        states.append(digest(trainer.network))
    assert seen == [0, 1, 2]
    assert states[0] != states[1] == states[2] != states[3]


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", None, True])
def test_batch_size_is_a_whole_number(size, reference):
    with pytest.raises(engine.InputError, match=f"batch_size: .*received {size!r}"):
        trainer_of(LINEAR, reference, batch_size=size)


# --- passes ---------------------------------------------------------------------------


def test_each_pass_takes_every_sample_once_in_the_order_of_the_seed(reference):
    trainer = trainer_of(LINEAR, reference, seed=5, batch_size=16)
    x, t = vectors(40)
    x[:, 0] = np.arange(40)
    taken = []
    one_step = trainer.start

    def spy(x, t):
        taken.append(x[:, 0].astype(int).tolist())
        return one_step(x, t)

    trainer.start = spy
    trainer.optimizer.settings["learning_rate"] = 1e-6
    trainer.fit((x, t), passes=2)
    assert [len(batch) for batch in taken] == [16, 16, 8] * 2
    for number in (0, 1):
        order = [i for batch in taken[3 * number : 3 * number + 3] for i in batch]
        expected = random.permutation(5, "order", 40, step=number)
        assert order == expected.tolist()
        assert sorted(order) == list(range(40))
    assert taken[0] != taken[3]
    assert trainer.steps == 6


def test_history_has_a_row_for_each_pass(any_device):
    trainer, seen = trainer_of(SPEC, any_device, batch_size=16), []
    x, t = images()
    history = trainer.fit(
        (x[:36], t[:36]), (x[36:], t[36:]), passes=3, on_epoch=seen.append
    )
    assert [row["pass"] for row in history.rows] == [1, 2, 3]
    assert seen == history.rows
    for row in history.rows:
        assert list(row) == [
            "pass",
            "training_loss",
            "validation_loss",
            "validation_score",
            "seconds",
            "drawing",
        ]
        assert row["validation_score"] == row["validation_loss"] > 0.0
        assert row["training_loss"] > 0.0
        assert 0.0 < row["drawing"] < row["seconds"]
    assert history.stopped == "passes"
    best = min(history.rows, key=lambda row: row["validation_loss"])
    assert history.best_pass == best["pass"]
    loss = trainer.network.loss(x[36:], t[36:])
    assert loss == pytest.approx(best["validation_loss"], rel=1e-6)


def test_what_measure_returns_joins_each_row_and_changes_nothing(any_device):
    x, t = images()
    data = (x[:36], t[:36]), (x[36:], t[36:])
    plain = trainer_of(SPEC, any_device, batch_size=16)
    expected = plain.fit(*data, passes=3)
    trainer = trainer_of(SPEC, any_device, batch_size=16)
    network, losses = trainer.network, []

    def measure(number):
        gradients = network.gradients(x[:7], t[:7], of_input=False)
        assert "input" not in gradients
        losses.append(network.loss(x[36:], t[36:]))
        return {"number": number, "layers": sorted(gradients)}

    history = trainer.fit(*data, passes=3, measure=measure)
    assert [row["number"] for row in history.rows] == [1, 2, 3]
    assert history.rows[0]["layers"] == sorted(network.gradients(x[:7], t[:7]))[:-1]
    assert losses == [row["validation_loss"] for row in history.rows]
    assert [r["training_loss"] for r in history.rows] == [
        r["training_loss"] for r in expected.rows
    ]
    for name, values in plain.network.parameters().items():
        np.testing.assert_array_equal(network.parameters()[name], values)


def test_the_history_keeps_the_last_passs_parameters(any_device):
    x, t = images()
    trainer = trainer_of(SPEC, any_device, batch_size=16)
    seen = {}

    def measure(number):
        seen[number] = trainer.network.parameters()
        return {}

    # Scores that worsen: the first pass is the best one.
    history = trainer.fit(
        (x[:36], t[:36]),
        (x[36:], t[36:]),
        passes=3,
        measure=measure,
        score=lambda outputs, t: len(seen),
    )
    assert history.best_pass == 1
    for name, values in seen[3].items():
        np.testing.assert_array_equal(history.last[name], values)
    best = trainer.network.parameters()
    assert any((best[name] != seen[3][name]).any() for name in best)
    for name, values in best.items():
        np.testing.assert_array_equal(seen[1][name], values)


def test_transform_gets_each_sample_of_each_pass_once(reference):
    """... and what it returns is learned: here the samples' numbers as targets."""
    seen = []

    def transform(x, t, samples, number):
        np.testing.assert_array_equal(x, whole[samples])
        np.testing.assert_array_equal(t[:, 0], values[samples])
        seen.append((number, samples))
        return x * 0.0, t * 0.0 + 3.0

    whole, values = vectors(40)
    still = {"sgd": {"learning_rate": 0.0}}
    trainer = trainer_of(LINEAR, reference, batch_size=16, optimizer=still)
    history = trainer.fit((whole, values), passes=2, transform=transform)
    assert [number for number, _ in seen] == [1, 1, 1, 2, 2, 2]
    for number in (1, 2):
        rows = np.concatenate([s for n, s in seen if n == number])
        assert sorted(rows) == list(range(40))
    assert history.rows[0]["training_loss"] == 9.0  # (0 − 3)²


def test_mixed_targets_are_learned_as_portions(any_device):
    """Mixup: classes in, portions of classes out; S2 section 5."""

    def mix(x, t, samples, number):
        one_hot = np.eye(3)[t[:, 0]]
        return 0.5 * (x + x[::-1]), 0.5 * (one_hot + one_hot[::-1])

    trainer = trainer_of(SPEC, any_device, batch_size=10)
    history = trainer.fit(images(), images(), passes=30, transform=mix)
    assert history.rows[-1]["validation_loss"] < 0.6 * math.log(3)


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (lambda x, t, *_: (x[:-1], t[:-1]), r"transform: expected as many.*=16.*15"),
        (lambda x, t, *_: (x[..., :1], t), r"input: expected shape \(N, 4\)"),
        (lambda x, t, *_: (x * math.nan, t), "NaN or infinity in sample 0"),
        (lambda x, t, *_: (x, t[:3]), "targets: expected as many as inputs"),
    ],
)
def test_a_transform_that_returns_what_cannot_be_learned(transform, text, reference):
    trainer = trainer_of(LINEAR, reference, batch_size=16)
    with pytest.raises(engine.InputError, match=text):
        trainer.fit(vectors(), passes=1, transform=transform)


def test_without_validation_the_last_pass_stands(any_device):
    trainer, seen = trainer_of(LINEAR, any_device), []
    history = trainer.fit(
        vectors(), passes=3, on_epoch=lambda row: seen.append(digest(trainer.network))
    )
    assert history.best_pass == 3
    assert digest(trainer.network) == seen[-1]
    assert [row["validation_loss"] for row in history.rows] == [None] * 3
    assert [row["validation_score"] for row in history.rows] == [None] * 3


def test_validation_does_not_touch_the_training(any_device):
    def run(validation):
        trainer, seen = trainer_of(SPEC, any_device), []
        trainer.fit(
            images(),
            validation,
            passes=3,
            on_epoch=lambda row: seen.append(digest(trainer.network)),
        )
        return seen

    assert run(None) == run(images(9))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"passes": 0}, "passes: expected an integer of at least 1, received 0"),
        ({"passes": 2.0}, "passes: .*received 2.0"),
        ({"tolerance": 0}, "tolerance: expected an integer of at least 1, received 0"),
        ({"tolerance": "7"}, "tolerance: .*received '7'"),
        ({"score_better": "max"}, "score_better: expected 'lower' or 'higher', rec"),
    ],
)
def test_settings_of_fit_that_mean_nothing(settings, text, reference):
    with pytest.raises(engine.InputError, match=text):
        trainer_of(LINEAR, reference).fit(vectors(), **settings)


def test_rows_by_step_are_those_of_a_run_that_was_stopped(any_device, tmp_path):
    """... whose checkpoint lies between two of them; they change no parameter."""
    x, t = images()
    data, path = (x[:36], t[:36]), tmp_path / "checkpoint.npz"

    def fit(passes, look=None, **more):
        trainer = trainer_of(SPEC, any_device, batch_size=16)
        found = trainer.fit(
            data, passes=passes, step_measure=look, measure_steps=2, **more
        )
        return found.step_rows, trainer.network.parameters()

    def look(step):
        if step == 6 and path.exists():
            raise KeyboardInterrupt
        return {"seen": step}

    rows, parameters = fit(3, lambda step: {"seen": step})
    assert [(row["step"], row["seen"]) for row in rows] == [
        (2, 2),
        (4, 4),
        (6, 6),
        (8, 8),
    ]
    with pytest.raises(KeyboardInterrupt):
        fit(3, look, checkpoint=path, checkpoint_steps=5)
    path.rename(tmp_path / "kept.npz")
    again, same = fit(3, lambda step: {"seen": step}, checkpoint=tmp_path / "kept.npz")
    assert again == rows
    for name, values in parameters.items():
        np.testing.assert_array_equal(same[name], values)


def test_a_row_by_step_has_the_mean_loss_since_the_row_before(reference):
    whole, values = vectors(40)
    still = {"sgd": {"learning_rate": 0.0}}
    trainer = trainer_of(LINEAR, reference, batch_size=10, optimizer=still)
    history = trainer.fit((whole, values), passes=2, measure_steps=4)
    each = [row["training_loss"] for row in history.rows]
    assert [row["training_loss"] for row in history.step_rows] == each
