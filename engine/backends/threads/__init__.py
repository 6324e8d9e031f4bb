"""The CPU mode: NumPy in float32 on a pool of threads that is started once."""

from engine.backends.threads.backend import Threads

__all__ = ["Threads"]
