"""What a processor says of itself, also where there is no CPUID to ask."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from engine.health import processor

NEOVERSE = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

processor\t: 1
CPU part\t: 0xd0b
"""


@pytest.fixture
def told(monkeypatch):
    """Return a function: machine, /proc/cpuinfo (None: none there) -> both answers."""

    def ask(machine: str, cpuinfo: str | None) -> tuple[str, str]:
        def read_text(path):
            assert str(path) == "/proc/cpuinfo"
            if cpuinfo is None:
                raise FileNotFoundError
            return cpuinfo

        with monkeypatch.context() as patch:
            patch.setattr(platform, "machine", lambda: machine)
            patch.setattr(platform, "processor", lambda: "arm")
            patch.setattr(Path, "read_text", read_text)
            for answer in (processor._cpuid, processor.signature, processor.name):
                answer.cache_clear()
            return processor.signature(), processor.name()

    yield ask
    for answer in (processor._cpuid, processor.signature, processor.name):
        answer.cache_clear()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="no CPUID")
def test_cpuid_is_asked_where_there_is_one():
    assert " family " in processor.signature()
    assert "(family " in processor.name()


def test_elsewhere_linux_says_it_of_the_first_processor(told):
    signature, name = told("aarch64", NEOVERSE)
    assert name == "aarch64, CPU implementer 0x41, CPU architecture 8, CPU part 0xd0c"
    assert signature.startswith(name + " ")
    assert signature == told("aarch64", NEOVERSE.replace("243.75", "200.00"))[0]
    for old, new in (("0xd0c", "0xd40"), ("aes", "aes sve")):
        assert signature != told("aarch64", NEOVERSE.replace(old, new))[0]


def test_a_system_that_says_little_is_no_error(told):
    assert told("arm64", None)[1] == "arm64, arm"
    assert told("riscv64", "processor : 0\nisa : rv64gc")[1] == "riscv64, arm"
