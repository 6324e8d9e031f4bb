"""The engine's networks in Keras 3 on PyTorch, by `fit` as a user would call it."""

from __future__ import annotations

import os
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers

import engine
from scripts.lib.speed.learning import Pass, make_data
from scripts.lib.speed.works import Learning, Work

_OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
_ACTIVATIONS = ("relu", "sigmoid", "tanh")


def build(network: engine.Network) -> keras.Sequential:
    """Return the same layers, one after the other, with Keras's own initial values.

    Images are (h, w, c), Keras's default.
    Raises: KeyError for a layer that has no counterpart here.
    """
    model = keras.Sequential([keras.Input(_last(network.input_shape))])
    for layer in network.layers:
        for made in _LAYERS[layer.kind](layer):
            model.add(made)
    return model


def set_parameters(model: keras.Sequential, network: engine.Network) -> None:
    """Give a model that `build` made the network's parameters."""
    values = network.parameters()
    learning = iter(layer for layer in model.layers if layer.weights)
    for layer in network.layers:
        if layer.parameters:
            weight, *bias = (values[f"{layer.name}.{p.name}"] for p in layer.parameters)
            next(learning).set_weights([_turned(weight, layer), *bias])


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], shape[0])


def _turned(weight: np.ndarray, layer: Any) -> np.ndarray:
    """Return a weight in Keras's order: (kh, kw, c, f), or (h·w·c, units)."""
    if layer.kind == "conv":
        return weight.transpose(2, 3, 1, 0)
    images = weight.reshape(len(weight), *layer.in_shape)
    return np.moveaxis(images, 1, -1).reshape(len(weight), -1).T


def _conv(layer: Any) -> list:
    g = layer.geometry
    same = [size == 2 * pad + 1 for size, pad in zip(g.kernel, g.padding, strict=True)]
    if any(g.padding) and not (all(same) and g.padding == g.padding_end):
        raise KeyError(f"{layer.name}: padding that is neither none nor same")
    padding, bias = "same" if any(g.padding) else "valid", layer.settings["bias"]
    return [
        layers.Conv2D(g.filters, g.kernel, g.stride, padding, use_bias=bias != "none")
    ]


def _dense(layer: Any) -> list:
    bias = layer.settings["bias"] != "none"
    return [layers.Flatten(), layers.Dense(layer.out_shape[0], use_bias=bias)]


def _activation(layer: Any) -> list:
    function = layer.settings["function"]
    if function == "identity":
        return []
    return [layers.Activation(_ACTIVATIONS[_ACTIVATIONS.index(function)])]


_LAYERS = {
    "conv": _conv,
    "dense": _dense,
    "activation": _activation,
    "max_pool": lambda layer: [
        layers.MaxPooling2D(layer.geometry.size, layer.geometry.stride)
    ],
    "dropout": lambda layer: [layers.Dropout(layer.settings["portion"])],
}


def _compiled(spec: dict, optimizer: dict) -> keras.Sequential:
    model = build(engine.Network.from_spec(spec, device="reference"))
    ((kind, settings),) = optimizer.items()
    classes = spec["loss"] == "softmax_cross_entropy"
    loss = (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if classes
        else spec["loss"]
    )
    model.compile(
        optimizer=_OPTIMIZERS[kind](**settings),
        loss=loss,
        metrics=["accuracy" if classes else "mean_absolute_percentage_error"],
    )
    return model


def steps(work: Work, threads: int):
    """Return what runs n steps as one epoch of `fit`."""
    torch.set_num_threads(threads)
    model = _compiled(work.spec, work.optimizer)
    x, t = work.data()
    x = np.moveaxis(x, 1, -1)
    made: dict[int, tuple] = {}  # an epoch's samples, made once

    def run(n: int) -> None:
        if n not in made:
            made.clear()
            made[n] = np.tile(x, (n, 1, 1, 1)), np.tile(t, (n,) + (1,) * (t.ndim - 1))
        model.fit(*made[n], batch_size=work.batch, epochs=1, verbose=0)

    return run


class Passes(keras.callbacks.Callback):
    """Keeps the time since the beginning and the validation score of each epoch."""

    def __init__(self, score: str):
        super().__init__()
        self.score, self.begin, self.passes = f"val_{score}", time.perf_counter(), []

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Keep one pass."""
        seconds = time.perf_counter() - self.begin
        self.passes.append({"seconds": seconds, "score": float(logs[self.score])})


def learn(learning: Learning, threads: int):
    """Return what learns by their recipe with a seed and returns the passes."""
    torch.set_num_threads(threads)
    recipe = learning.theirs
    (x, t), (held_out, wanted) = make_data(learning, recipe)
    x, held_out = np.moveaxis(x, 1, -1), np.moveaxis(held_out, 1, -1)

    def run(seed: int, epochs: int = recipe.passes) -> list[Pass]:
        keras.utils.set_random_seed(seed)
        model = _compiled(recipe.spec, recipe.optimizer)
        score = "mean_absolute_percentage_error" if learning.regression else "accuracy"
        passes = Passes(score)
        model.fit(
            x,
            t,
            batch_size=recipe.batch,
            epochs=epochs,
            validation_data=(held_out, wanted),
            callbacks=[passes],
            verbose=0,
        )
        return passes.passes

    run(0, epochs=1)
    return run
