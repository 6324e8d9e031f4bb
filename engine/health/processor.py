"""Which processor this process runs on, as the processor itself says.

/proc/cpuinfo tells of the machine; a program under an emulator runs on another one.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import mmap
import platform
import struct
from pathlib import Path

# void cpuid(uint32 leaf, uint32 subleaf, uint32 out[4]) for x86-64's System V calls:
# push rbx; mov eax, edi; mov ecx, esi; mov r8, rdx; cpuid; mov [r8], eax;
# mov [r8+4], ebx; mov [r8+8], ecx; mov [r8+12], edx; pop rbx; ret
_CODE = bytes.fromhex(
    "53 89f8 89f1 4989d0 0fa2 418900 41895804 41894808 4189500c 5b c3"
)


@functools.cache
def signature() -> str:
    """Return a line that is the same on processors for which code is made alike.

    Vendor, family, model, stepping and a digest of the features.
    """
    asked = _cpuid()
    if asked is None:
        kind, features = _as_the_system_says()
    else:
        vendor, (family, model, stepping), features, _ = asked
        kind = f"{vendor} family {family} model {model} stepping {stepping}"
    return f"{kind} {hashlib.sha256(features).hexdigest()[:12]}"


@functools.cache
def name() -> str:
    """Return the processor's name for people, with family and model."""
    asked = _cpuid()
    if asked is None:
        return _as_the_system_says()[0]
    vendor, (family, model, _), _, brand = asked
    return f"{brand or vendor} (family {family}, model {model})"


@functools.cache
def _cpuid() -> tuple[str, tuple[int, int, int], bytes, str] | None:
    """Return vendor, (family, model, stepping), features and name, by CPUID.

    None on other machines, and where no memory may hold code.
    """
    if platform.machine() != "x86_64" or platform.system() not in ("Linux", "Darwin"):
        return None
    try:
        protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=protection)
    except OSError:
        return None
    code.write(_CODE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    call = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(
        address
    )

    def ask(leaf: int, subleaf: int = 0) -> tuple[int, ...]:
        out = (ctypes.c_uint32 * 4)()
        call(leaf, subleaf, out)
        return tuple(out)

    most, *vendor = ask(0)
    b, c, d = vendor
    number, _, *first = ask(1)
    family, model = number >> 8 & 15, number >> 4 & 15
    if family in (6, 15):
        model += (number >> 16 & 15) << 4
    if family == 15:
        family += number >> 20 & 255
    features = [*first, *(ask(7)[1:] if most >= 7 else ())]
    brand = b""
    if ask(0x80000000)[0] >= 0x80000004:
        leaves = range(0x80000002, 0x80000005)
        brand = b"".join(struct.pack("<4I", *ask(leaf)) for leaf in leaves)
    return (
        struct.pack("<3I", b, d, c).decode("ascii", "replace"),
        (family, model, number & 15),
        struct.pack(f"<{len(features)}I", *features),
        brand.split(b"\0")[0].decode("ascii", "replace").strip(),
    )


def _as_the_system_says() -> tuple[str, bytes]:
    """Return the first processor's kind and features, if the system tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        text = ""
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    wanted = ("CPU implementer", "CPU architecture", "CPU part",
              "vendor_id", "cpu family", "model", "stepping")  # fmt: skip
    kind = [f"{key} {found[key]}" for key in wanted if key in found]
    kind = [platform.machine(), *(kind or [platform.processor()])]
    features = found.get("Features") or found.get("flags", "")
    return ", ".join(word for word in kind if word), features.encode()
