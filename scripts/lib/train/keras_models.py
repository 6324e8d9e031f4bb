"""The engine's networks in Keras 3 on PyTorch: layers, weights, loss, `fit`.

Importing this needs Keras; `packages.require_keras` says how to get it.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras import layers

import engine
from engine import optimizers
from scripts.lib.io.clock import Clock

Data = tuple[np.ndarray, np.ndarray]

# Of each optimiser: Keras's class, and what it calls the engine's settings. Adam's ε is
# Kingma and Ba's ε-hat there: added to √v instead of √(v / (1 − β₂ᵗ)), so that it is
# larger by 1 / √(1 − β₂ᵗ), 32 times in the first step; at 1e-8 neither can be seen.
_OPTIMIZERS = {
    "sgd": (keras.optimizers.SGD, {"learning_rate": "learning_rate"}),
    "adam": (
        keras.optimizers.Adam,
        {
            "learning_rate": "learning_rate",
            "beta1": "beta_1",
            "beta2": "beta_2",
            "epsilon": "epsilon",
        },
    ),
}
_ACTIVATIONS = ("relu", "sigmoid", "tanh")


def build(network: engine.Network) -> keras.Sequential:
    """Return the same layers, one after the other, with Keras's own initial values.

    Images are (h, w, c), Keras's default. A bias that is fixed there is learned here.
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


def compiled(
    network: engine.Network, optimizer: dict[str, Any], seed: int
) -> keras.Sequential:
    """Return the model that `build` makes, ready for `fit` with the same loss.

    optimizer: {NAME: settings} of the engine, sgd or adam; what it does not say is the
    engine's default. seed: of all that Keras draws from here on.
    Raises: KeyError for a layer, ValueError for an optimiser without a counterpart.
    """
    keras.utils.set_random_seed(seed)
    model = build(network)
    loss = network.spec["loss"]
    if classifies(network):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(_optimizer(optimizer), loss, metrics=[score_name(network)])
    return model


def classifies(network: engine.Network) -> bool:
    """Return whether the network's targets are classes."""
    return network.spec["loss"] == "softmax_cross_entropy"


def score_name(network: engine.Network) -> str:
    """Return what Keras calls the score: MAPE (lower is better) or accuracy."""
    return "accuracy" if classifies(network) else "mean_absolute_percentage_error"


def to_last(images: np.ndarray) -> np.ndarray:
    """Return images (n, c, h, w) as (n, h, w, c)."""
    return np.moveaxis(images, 1, -1)


def fit(
    model: keras.Sequential,
    network: engine.Network,
    train: Data,
    validation: Data,
    *,
    batch_size: int,
    passes: int,
    tolerance: int | None = None,
) -> list[dict[str, float]]:
    """Learn by Keras's `fit`; return a row for each pass.

    model: what `compiled` made of the network; train, validation: (x, t), images
    (n, h, w, c). With a tolerance Keras's EarlyStopping, with the engine's rule: stop
    after so many passes in a row without a better score of the validation part; the
    best pass's weights stand at the end. Without it the last one's do.

    A row has training_loss, validation_loss, score, and seconds and cpu_seconds since
    the beginning.
    """
    score = score_name(network)
    rows = _Passes(f"val_{score}")
    callbacks = [rows]
    if tolerance is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor=f"val_{score}",
                mode="max" if classifies(network) else "min",
                patience=tolerance,
                restore_best_weights=True,
            )
        )
    model.fit(
        *train,
        batch_size=batch_size,
        epochs=passes,
        validation_data=validation,
        callbacks=callbacks,
        verbose=0,
    )
    return rows.passes


class _Passes(keras.callbacks.Callback):
    """Keeps the rows of `fit`; the clock runs from when this is made."""

    def __init__(self, score: str):
        super().__init__()
        self.score, self.clock, self.passes = score, Clock(), []

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Keep one pass."""
        self.passes.append(
            {
                **self.clock.read(),
                "training_loss": float(logs["loss"]),
                "validation_loss": float(logs["val_loss"]),
                "score": float(logs[self.score]),
            }
        )


def _optimizer(described: dict[str, Any]) -> keras.optimizers.Optimizer:
    ((name, given),) = described.items()
    if name not in _OPTIMIZERS:
        raise ValueError(
            f"optimizer: expected one that Keras is given here, "
            f"{' or '.join(_OPTIMIZERS)}, received {name!r}"
        )
    kind, names = _OPTIMIZERS[name]
    if unknown := sorted(set(given or ()) - set(names)):
        raise ValueError(
            f"optimizer: {name}: expected settings that Keras has too, "
            f"{', '.join(names)}, received {unknown[0]!r}"
        )
    settings = optimizers.parse(described).settings
    return kind(**{theirs: settings[ours] for ours, theirs in names.items()})


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
