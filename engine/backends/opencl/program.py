"""Kernels: compiled when one is first run, all that are wanted by then as one program.

PoCL takes a tenth of a second for a program however small it is. Only what is wanted is
in its text: some compilers take every kernel of a program at once.
"""

from __future__ import annotations

import functools
import re
import warnings
import weakref
from collections.abc import Iterable

import pyopencl as cl

from engine.backends.opencl import texts
from engine.backends.opencl.library import Library
from engine.errors import DeviceError

# A kernel: its files, its name, and what is defined for it.
Key = tuple[tuple[str, ...], str, tuple[tuple[str, int], ...]]

# No reassociation and no finite-math shortcuts: NaN must stay NaN, and the order of
# sums is part of the result.
_OPTIONS = ["-cl-mad-enable"]

# How the kernel files are written: what a function and a kernel begin with, and that a
# kernel ends where a brace begins a line.
_FUNCTION = re.compile(
    r"^(?:KERNEL|INLINE|static inline(?: __attribute__\(\(always_inline\)\))?"
    r"(?:\s\w+)?)\s(\w+)\(",
    re.MULTILINE,
)
_KERNEL = re.compile(r"^KERNEL (\w+)\(.*?^}$", re.MULTILINE | re.DOTALL)
_MACRO = re.compile(r"^# *define (\w+)", re.MULTILINE)


class Kernel:
    """A kernel that is compiled when it is first run; until then it keeps arguments."""

    def __init__(self, programs: Programs, key: Key):
        self.key = key
        self._programs, self._arguments = programs, ()

    @functools.cached_property
    def built(self) -> cl.Kernel:
        """OpenCL's kernel with its arguments.

        Raises: DeviceError with the compiler's log.
        """
        kernel = self._programs.build(self)
        if self._arguments:
            kernel.set_args(*self._arguments)
        self._arguments = ()
        return kernel

    def set_args(self, *arguments) -> None:
        """Set all arguments."""
        if "built" in self.__dict__:
            self.built.set_args(*arguments)
        else:
            self._arguments = arguments

    def set_arg(self, place: int, argument) -> None:
        """Set one argument of a kernel that is about to run."""
        self.built.set_arg(place, argument)


class Programs:
    """The programs of one context; each kernel is compiled once.

    common: definitions that every program gets.
    """

    def __init__(self, context: cl.Context, common: dict[str, int]):
        self._context = context
        self._options = _OPTIONS + [f"-D{k}={v}" for k, v in sorted(common.items())]
        self._library = Library(context.devices[0], self._options)
        self._wanted: weakref.WeakSet[Kernel] = weakref.WeakSet()
        self._built: dict[Key, tuple[cl.Program, str]] = {}

    def kernel(self, files: tuple[str, ...], name: str, **definitions: int) -> Kernel:
        """Return a new kernel `name` of the given files, common.cl before them."""
        kernel = Kernel(self, (files, name, tuple(sorted(definitions.items()))))
        self._wanted.add(kernel)
        return kernel

    def build(self, kernel: Kernel) -> cl.Kernel:
        """Return OpenCL's new kernel; compile it, and all others that are wanted.

        Raises: DeviceError with the compiler's log.
        """
        if kernel.key not in self._built:
            self._build({wanted.key for wanted in self._wanted} - self._built.keys())
            self._wanted.clear()
        return cl.Kernel(*self._built[kernel.key])

    def _build(self, keys: set[Key]) -> None:
        for content, names in self._library.find(keys):
            program = self._loaded(content, names.values())
            if program is not None:
                self._built |= {key: (program, name) for key, name in names.items()}
        rest = sorted(keys - self._built.keys())
        if rest:
            text, names = written(rest)
            program = self._compiled(text, rest)
            self._library.add(program, text, names)
            self._built |= {key: (program, name) for key, name in names.items()}

    def _loaded(self, content: str | bytes, names: Iterable[str]) -> cl.Program | None:
        """Return the program of the library, or None if the driver does not take it."""
        try:
            program = self._program(content)
            there = program.kernel_names.split(";")
        except cl.Error:
            return None
        return program if set(names) <= set(there) else None

    def _compiled(self, text: str, keys: list[Key]) -> cl.Program:
        try:
            return self._program(text)
        except cl.Error as error:
            names = ", ".join(sorted({name for _, name, _ in keys}))
            raise DeviceError(
                f"the kernels {names} do not compile on "
                f"{self._context.devices[0].name} with {' '.join(self._options)}; the "
                f"device threads needs no compiler. It says: {error}"
            ) from None

    def _program(self, content: str | bytes) -> cl.Program:
        """Return a program of its text, or of what the driver compiled of it."""
        if isinstance(content, str):
            program = cl.Program(self._context, content)
        else:
            program = cl.Program(self._context, self._context.devices[:1], [content])
        with warnings.catch_warnings():
            # pyopencl warns of every non-empty compiler log, also of mere remarks.
            warnings.simplefilter("ignore")
            # Not pyopencl's cache: it knows a processor by its name alone, waits for
            # the lock of a process that is dead, and fails where it cannot write.
            return program.build(options=self._options, cache_dir=False)


def written(keys: list[Key]) -> tuple[str, dict[Key, str]]:
    """Return the text of a program of these kernels, and their names in it.

    Kernels of the same files and definitions are one part. Each part names its
    functions by its own number, and takes back all that it defines.
    """
    parts: dict[tuple, list[Key]] = {}
    for key in keys:
        parts.setdefault((key[0], key[2]), []).append(key)
    lines, names = [texts.of("common")], {}
    for number, ((files, definitions), kernels) in enumerate(parts.items()):
        wanted = {name for _, name, _ in kernels}
        text = _KERNEL.sub(
            lambda found, wanted=wanted: found[0] if found[1] in wanted else "",
            "\n".join(map(texts.of, files)),
        )
        own = {name: f"{name}_{number}" for name in _FUNCTION.findall(text)}
        defined = dict(definitions) | own
        names |= {key: own[key[1]] for key in kernels}
        lines += [f"#define {name} {value}" for name, value in defined.items()]
        lines.append(text)
        lines += [f"#undef {name}" for name in {**defined, **_macros(text)}]
    return "\n".join(lines) + "\n", names


def _macros(text: str) -> dict[str, None]:
    return dict.fromkeys(_MACRO.findall(text))
