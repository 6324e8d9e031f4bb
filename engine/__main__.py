"""The engine's command line: `python -m engine devices`, `... summary MODEL.yaml`."""

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
    summary = commands.add_parser(
        "summary", help="print a model's layers, shapes, parameters, multiply-adds"
    )
    summary.add_argument("model", type=Path, help="a model spec, YAML or JSON")
    given = parser.parse_args(arguments)
    try:
        text = devices_text() if given.command == "devices" else summarise(given.model)
    except (engine.EngineError, OSError) as error:
        print(f"python -m engine {given.command}: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


def devices_text() -> str:
    """Return a table of the devices: what `open_device` takes, kind, units, name."""
    rows = [("device", "kind", "units", "name")]
    rows += [(d.id, d.kind, str(d.compute_units), d.name) for d in engine.devices()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        f"{id:<{widths[0]}}  {kind:<{widths[1]}}  {units:>{widths[2]}}  {name}"
        for id, kind, units, name in rows
    )


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
