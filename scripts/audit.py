"""Step `audit`: what a protocol's scored rows share with what was seen before them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
from threadpoolctl import threadpool_limits

from scripts.lib.io import cli
from scripts.lib.io.files import write_json
from scripts.lib.leak import audit

_WARNED = 3  # pairs named in the warning; the file lists more


def make_audit(args: argparse.Namespace) -> None:
    """Write what was found as JSON; warn of near-duplicates where nothing may leak.

    Raises: AuditError, and writes nothing, if a protocol leaks that must not.
    """
    # One thread: sums in one order, so the same bytes on any number of cores.
    with threadpool_limits(1):
        found = audit.audit(
            args.augmented, args.labels, args.folds, json.loads(args.protocol_json)
        )
    near = found["near_duplicates"]
    if not found["leaks"]:
        for pairs in filter(None, (near["pairs"], near["turned"])):
            print(_warning(found["protocol"], pairs), file=sys.stderr)
    write_json(args.output, found)


def _warning(protocol: str, pairs: list[Mapping[str, Any]]) -> str:
    told = ", ".join(
        f"{p['scored']} and {p['seen']} (correlation {p['correlation']:.2f}, "
        f"{p['view'] if 'view' in p else '{} bits apart'.format(p['hash'])})"
        for p in pairs[:_WARNED]
    )
    return (
        f"warning: {protocol}: drawings on two sides that look alike, the closest of "
        f"{len(pairs)} pairs: {told}. Look at them: a drawing that is filed twice "
        "should be left out once; two drawings that are merely alike are no leak"
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--augmented", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument(
        "--protocol-json",
        required=True,
        help="of its file: unit, leaks, weights, reported",
    )
    parser.add_argument("--output", type=Path, required=True, help="written, .json")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    make_audit(args)


if __name__ == "__main__":
    cli.run(main)
