"""Kernel files: reading, compiling for one geometry, keeping what was compiled."""

from __future__ import annotations

import functools
import importlib.resources
import warnings

import pyopencl as cl

from engine.errors import DeviceError

# No reassociation and no finite-math shortcuts: NaN must stay NaN, and the order of
# sums is part of the result.
_OPTIONS = ["-cl-mad-enable"]


@functools.cache
def source(name: str) -> str:
    """Return the text of kernels/NAME.cl."""
    folder = importlib.resources.files("engine.backends.opencl") / "kernels"
    return (folder / f"{name}.cl").read_text()


class Programs:
    """The programs of one context, each compiled once per set of definitions.

    common: definitions that every program gets.
    """

    def __init__(self, context: cl.Context, common: dict[str, int]):
        self._context, self._common = context, common
        self._built: dict[tuple, cl.Program] = {}

    def kernel(self, files: tuple[str, ...], name: str, **definitions) -> cl.Kernel:
        """Return a new kernel object `name` of the given files, common.cl before them.

        Raises: DeviceError with the compiler's log.
        """
        defined = sorted((self._common | definitions).items())
        key = (files, tuple(defined))
        if key not in self._built:
            text = "\n".join(source(file) for file in ("common", *files))
            options = _OPTIONS + [f"-D{k}={v}" for k, v in defined]
            self._built[key] = self._build(text, options, files)
        return cl.Kernel(self._built[key], name)

    def step_kernel(self, name: str, outputs: int = 1, targets: int = 1) -> cl.Kernel:
        """Return a kernel that every step needs: a loss, the guard, or a transfer.

        They are one program, for a program takes a tenth of a second to compile however
        small it is; losses alone depend on the numbers of outputs and targets.
        """
        files = ("loss", "transfer")
        return self.kernel(files, name, K=outputs, TARGETS=targets)

    def _build(self, text: str, options: list[str], files: tuple[str, ...]):
        with warnings.catch_warnings():
            # pyopencl warns of every non-empty compiler log, also of mere remarks.
            warnings.simplefilter("ignore")
            try:
                return cl.Program(self._context, text).build(options=options)
            except cl.Error as error:
                raise DeviceError(
                    f"the kernels {', '.join(files)} do not compile on "
                    f"{self._context.devices[0].name} with {' '.join(options)}; the "
                    f"device threads needs no compiler. It says: {error}"
                ) from None
