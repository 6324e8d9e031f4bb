"""The arguments that training and evaluation share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and evaluation share."""
    parser.add_argument("--augmented", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--experiment-json", required=True, help="what to learn, JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, required=True, help="of the results; below it fold0/ ..."
    )
