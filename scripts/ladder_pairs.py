"""Step `ladder_pairs`: neighbouring rungs of a ladder, compared image by image."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import intervals, ladder_runs, paired_tests
from scripts.lib.score.ladder_runs import PREDICTED, Run

COLUMNS = (
    "a",
    "b",
    "a_label",
    "b_label",
    "seed",
    "part",
    "epoch",
    "n",
    "both",
    "only_a",
    "only_b",
    "neither",
    "a_score",
    "b_score",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "verdict",
    "dataset",
    "status",
    "scale",
    "protocol",
    "seeds",
)
SHOWN = (
    "a",
    "b",
    "seed",
    "n",
    "both",
    "only a",
    "only b",
    "neither",
    "a_score",
    "b_score",
    "difference",
    "interval",
    "p",
    "p_holm",
    "verdict",
)
# DEVIATION: S4 compares its rungs by one accuracy of the 2 500 validation images each;
# ours are compared image by image on the 10 000 test images, which decide no choice.
PART, EPOCH = "test", "last"
# Points that two trainings must differ by: another seed moves one by as much.
_EVIDENCE = 1.0


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex: a row for each pair of rungs and seed.

    Raises: ValueError if two rungs were not scored on the same images.
    """
    about, source = json.loads(args.about_json), read_json(args.source)
    common = {
        "part": PART,
        "epoch": EPOCH,
        "dataset": source["dataset"],
        "status": source["status"],
        "scale": about["scale"],
        "protocol": about["protocol"],
        "seeds": " ".join(map(str, about["seeds"])),
    }
    rows = [{**common, **row} for row in _pairs(about, args.runs)]
    rows = paired_tests.with_verdicts(rows)
    for row in rows:
        if abs(row["difference"]) < _EVIDENCE:
            row["verdict"] = paired_tests.NO_DIFFERENCE
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    title = f"Neighbouring rungs of the ladder {about['group']} on the same images"
    texts = _notes(about, source, rows)
    tables.write_texts(path, title, SHOWN, map(_rounded, rows), texts)
    write_csv(path, COLUMNS, rows)


def _pairs(about: Mapping[str, Any], root: Path) -> Iterator[dict[str, Any]]:
    """Yield the comparison of each rung with those it follows, seed by seed."""
    rungs = {rung["id"]: rung for rung in about["rungs"]}
    found = {
        name: ladder_runs.runs_of(about, rung, root) for name, rung in rungs.items()
    }
    for name, rung in rungs.items():
        for other in rung["follows"]:
            labels = {"a_label": rung["label"], "b_label": rungs[other]["label"]}
            for a, b in zip(found[name], found[other], strict=True):
                yield {"a": name, "b": other, **labels, **_compare(a, b)}


def _compare(a: Run, b: Run) -> dict[str, Any]:
    """Return how often both, one or neither is right, and the test of it."""
    right_a, right_b = _right(a), _right(b)
    if right_a.keys() != right_b.keys():
        raise ValueError(
            f"{b.folder}: expected predictions for the images of {a.folder}, received "
            f"{len(right_b)} of which {len(right_a.keys() & right_b.keys())} are among "
            f"its {len(right_a)}; score both anew"
        )
    n = len(right_a)
    both = sum(right_a[image] and right_b[image] for image in right_a)
    only_a, only_b = sum(right_a.values()) - both, sum(right_b.values()) - both
    low, high = intervals.paired_interval(only_a, only_b, n)
    return {
        "seed": a.seed,
        "n": n,
        "both": both,
        "only_a": only_a,
        "only_b": only_b,
        "neither": n - both - only_a - only_b,
        "a_score": 100 * (both + only_a) / n,
        "b_score": 100 * (both + only_b) / n,
        "difference": 100 * (only_a - only_b) / n,
        "low": 100 * low,
        "high": 100 * high,
        "p": intervals.mcnemar(only_a, only_b),
    }


def _right(run: Run) -> dict[str, bool]:
    return {
        row["id"]: row["target"] == row[PREDICTED[EPOCH]]
        for row in run.predictions(PART)
    }


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a person reads it."""
    return {
        **row,
        **{key: f"{row[key]:.2f}" for key in ("a_score", "b_score", "difference")},
        **{key: f"{row[key]:.3g}" for key in ("p", "p_holm")},
        "a": row["a_label"],
        "b": row["b_label"],
        "only a": row["only_a"],
        "only b": row["only_b"],
        "interval": f"{row['low']:.2f} … {row['high']:.2f}",
    }


def _notes(
    about: Mapping[str, Any],
    source: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Yield what must stand beside the tests."""
    yield from ladder_runs.notes(about, source)
    if not rows:
        yield "No two of the rungs that were run are neighbours."
    yield (
        "a is the rung that follows b; both, only a, only b, neither: how many of the "
        "n test images they have right after the last epoch; difference: a less b in "
        "points, with its 95 % interval for paired portions (Bonett and Price 2012)."
    )
    yield (
        "p: McNemar's exact test, two-sided; p_holm: corrected by Holm for the "
        f"{len(rows)} tests of the table. It compares two trained networks on other "
        "images of this kind, not two recipes: another seed is not covered."
    )
    yield (
        f"verdict: no difference shown unless p_holm < {paired_tests.LEVEL} and the "
        f"difference is at least {_EVIDENCE:g} point."
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--about-json", required=True, help="the ladder, JSON")
    parser.add_argument("--runs", type=Path, required=True, help="results/runs")
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
