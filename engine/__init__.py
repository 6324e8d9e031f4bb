"""A small, readable engine that trains convolutional networks.

On OpenCL devices, on CPU threads, and, as the definition of both, in plain NumPy.
"""

from engine import diagnostics, exchange, metrics
from engine.devices import Device, devices, open_device
from engine.errors import (
    CheckpointError,
    DeviceError,
    EngineError,
    InputError,
    NumericsError,
    PackageError,
    SpecError,
)
from engine.exchange import load
from engine.network import Network
from engine.training.history import History
from engine.training.loop import Trainer

__all__ = [
    "CheckpointError",
    "Device",
    "DeviceError",
    "EngineError",
    "History",
    "InputError",
    "Network",
    "NumericsError",
    "PackageError",
    "SpecError",
    "Trainer",
    "devices",
    "diagnostics",
    "exchange",
    "load",
    "metrics",
    "open_device",
]
