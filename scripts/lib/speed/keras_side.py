"""The benchmark's side of Keras 3 on PyTorch: `fit` as a user would call it."""

from __future__ import annotations

import numpy as np
import torch

import engine
from scripts.lib.speed.learning import Pass, make_data
from scripts.lib.speed.works import Learning, Work
from scripts.lib.train.keras_models import compiled, fit, to_last


def steps(work: Work, threads: int):
    """Return what runs n steps as one epoch of `fit`."""
    torch.set_num_threads(threads)
    model = compiled(_network(work.spec), work.optimizer, seed=0)
    x, t = work.data()
    x = to_last(x)
    made: dict[int, tuple] = {}  # an epoch's samples, made once

    def run(n: int) -> None:
        if n not in made:
            made.clear()
            made[n] = np.tile(x, (n, 1, 1, 1)), np.tile(t, (n,) + (1,) * (t.ndim - 1))
        model.fit(*made[n], batch_size=work.batch, epochs=1, verbose=0)

    return run


def learn(learning: Learning, threads: int):
    """Return what learns by their recipe with a seed and returns the passes."""
    torch.set_num_threads(threads)
    recipe = learning.theirs
    (x, t), (held_out, wanted) = make_data(learning, recipe)
    parts = (to_last(x), t), (to_last(held_out), wanted)
    network = _network(recipe.spec)

    def run(seed: int, passes: int = recipe.passes) -> list[Pass]:
        model = compiled(network, recipe.optimizer, seed)
        return fit(model, network, *parts, batch_size=recipe.batch, passes=passes)

    run(0, passes=1)
    return run


def _network(spec: dict) -> engine.Network:
    return engine.Network.from_spec(spec, device="reference")
