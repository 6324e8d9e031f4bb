"""Step `train`: learn all folds, each from its training and validation parts alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.io import cli
from scripts.lib.train.arguments import add_data_arguments
from scripts.lib.train.learn import train


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    parser.add_argument("--model", type=Path, required=True, help="its YAML file")
    train(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
