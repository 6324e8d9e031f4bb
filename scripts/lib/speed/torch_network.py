"""A network of the engine as a module of PyTorch, to be timed or compared with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

import engine

_FUNCTIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "bipolar_sigmoid": lambda x: torch.tanh(0.5 * x),
}


class TorchNetwork(torch.nn.Module):
    """The layers of a network, with its parameters' values.

    Raises: KeyError for a layer that has no counterpart here.
    """

    def __init__(self, network: engine.Network):
        super().__init__()
        self.layers = network.layers
        values = network.parameters()
        self.modules_ = torch.nn.ModuleDict()
        for layer in network.layers:
            module = _MODULES.get(layer.kind, lambda layer: None)(layer)
            if module is None:
                continue
            for name in ("weight", "bias"):
                value = values.get(f"{layer.name}.{name}")
                if value is not None:
                    getattr(module, name).data = torch.tensor(value)
            self.modules_[layer.name] = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last layer's output."""
        outputs: dict[int, torch.Tensor] = {-1: x}
        for layer in self.layers:
            xs = [outputs[i] for i in layer.sources]
            outputs[layer.index] = self._run(layer, xs)
        return outputs[len(self.layers) - 1]

    def _run(self, layer: Any, xs: list[torch.Tensor]) -> torch.Tensor:
        if layer.name in self.modules_:
            x = xs[0].flatten(1) if layer.kind == "dense" else xs[0]
            return self.modules_[layer.name](x)
        if layer.kind == "activation":
            s = layer.settings
            if s["function"] == "leaky_relu":
                return F.leaky_relu(xs[0], s["slope"])
            return _FUNCTIONS[s["function"]](xs[0])
        return {
            "add": lambda: sum(xs[1:], xs[0]),
            "concat": lambda: torch.cat(xs, 1),
            "flatten": lambda: xs[0].flatten(1),
            "global_average_pool": lambda: xs[0].mean((2, 3)),
        }[layer.kind]()


def _conv(layer: Any) -> torch.nn.Module:
    g = layer.geometry
    if g.padding != g.padding_end:
        raise KeyError(f"{layer.name}: padding that differs from side to side")
    if layer.edge is not None:
        raise KeyError(f"{layer.name}: padding_mode edge")
    return torch.nn.Conv2d(
        g.channels, g.filters, g.kernel, g.stride, g.padding, g.dilation, g.groups,
        bias=layer.settings["bias"] != "none",
    )  # fmt: skip


def _dense(layer: Any) -> torch.nn.Module:
    units, features = layer.parameters[0].shape
    return torch.nn.Linear(features, units, layer.settings["bias"] != "none")


def _batch_norm(layer: Any) -> torch.nn.Module:
    s = layer.settings
    kind = torch.nn.BatchNorm2d if len(layer.in_shape) == 3 else torch.nn.BatchNorm1d
    return kind(layer.in_shape[0], s["epsilon"], s["momentum"], s["affine"])


def _max_pool(layer: Any) -> torch.nn.Module:
    g = layer.geometry
    return torch.nn.MaxPool2d(g.size, g.stride, g.padding)


def _average_pool(layer: Any) -> torch.nn.Module:
    g = layer.geometry
    return torch.nn.AvgPool2d(g.size, g.stride, g.padding)


_MODULES = {
    "conv": _conv,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "dropout": lambda layer: torch.nn.Dropout(layer.settings["portion"]),
}
