"""The engine's command line: `python -m engine devices`, `doctor`, `summary MODEL`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import engine


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0, or 2 where the input is at fault."""
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("devices", help="list the devices a network can run on")
    doctor = commands.add_parser(
        "doctor",
        help="print what to paste into a report of a bug: processor, drivers, devices, "
        "their health and speed, what auto takes and why, versions, caches",
    )
    doctor.add_argument("--short", action="store_true", help="three lines")
    doctor.add_argument(
        "--again", action="store_true", help="try every device anew, as after an update"
    )
    doctor.add_argument(
        "--opencl",
        action="store_true",
        help="print nothing; exit with 1 unless a device of OpenCL is healthy",
    )
    summary = commands.add_parser(
        "summary", help="print a model's layers, shapes, parameters, multiply-adds"
    )
    summary.add_argument("model", type=Path, help="a model spec, YAML or JSON")
    given = parser.parse_args(arguments)
    try:
        if given.command == "doctor":
            return _doctor(given)
        text = devices_text() if given.command == "devices" else summarise(given.model)
    except (engine.EngineError, OSError) as error:
        print(f"python -m engine {given.command}: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


def _doctor(given: argparse.Namespace) -> int:
    from engine.health import doctor, verdicts

    if given.again:
        verdicts.forget()
    if given.opencl:
        return 0 if doctor.works() else 1
    print(doctor.short() if given.short else doctor.text())
    return 0


def devices_text() -> str:
    """Return a table of the devices; the first column is what `open_device` takes."""
    from engine.health.doctor import table

    head = ("device", "kind", "units", "platform", "name", "health")
    rows = [
        (d.id, d.kind, str(d.compute_units), d.platform, d.name, d.health)
        for d in engine.devices()
    ]
    return "\n".join(table(rows, head))


def summarise(path: Path) -> str:
    """Return the summary of the model spec in `path`.

    Raises: SpecError naming the file for a spec that cannot be read or built,
    DeviceError for one that does not fit into memory; OSError.
    """
    try:
        network = engine.Network.from_spec(_read(path), device="reference")
    except (engine.SpecError, engine.DeviceError) as error:
        raise type(error)(f"{path}: {error}") from None
    return network.summary()


def _read(path: Path) -> Any:
    from engine import plain_data  # only this command needs PyYAML

    try:
        return plain_data.read(path)
    except ValueError as error:
        raise engine.SpecError(f"expected YAML or JSON: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
