"""Step `evaluate`: score trained networks, the test part too."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.io import cli
from scripts.lib.score.evaluation import evaluate
from scripts.lib.train.arguments import add_data_arguments


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    parser.add_argument(
        "--test", type=Path, nargs="*", default=[], help="test images that lie apart"
    )
    evaluate(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
