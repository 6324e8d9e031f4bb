"""Step `keras_peer_table`: our engine's scores and times beside Keras's."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, runs, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import intervals, paired_tests, scores
from scripts.lib.speed.learning import Pass, to_the_same_score
from scripts.lib.split.protocols import load_folds
from scripts.tables import about_protocol, common_columns, leak_columns

COLUMNS = (
    "experiment", "variant", "target", "task", "model", "protocol", "leaks", "metric",
    "published", "published_where", "ours", "low", "high", "keras", "keras_low",
    "keras_high", "within", "difference", "difference_low", "difference_high",
    "difference_by", "p", "n", "part", "seconds", "keras_seconds", "ratio",
    "cpu_seconds", "keras_cpu_seconds", "cpu_ratio", "same_score", "seconds_to_same",
    "keras_seconds_to_same", "ratio_to_same", "cpu_ratio_to_same", "repeats", "threads",
    "device", "keras_device", "dataset", "status", "scale", "seeds", "note",
)  # fmt: skip
_SHOWN = (
    "variant", "protocol", "leaks", "metric", "published", "ours", "interval", "keras",
    "keras interval", "within", "difference", "difference interval", "p", "n", "part",
    "seconds", "keras_seconds", "ratio", "cpu_ratio", "same_score", "seconds_to_same",
    "keras_seconds_to_same", "ratio_to_same", "cpu_ratio_to_same", "note",
)  # fmt: skip
_INTERVALS = (
    ("interval", "low", "high"),
    ("keras interval", "keras_low", "keras_high"),
    ("difference interval", "difference_low", "difference_high"),
)
_DIGITS = {"p": 3} | dict.fromkeys(
    ("ratio", "cpu_ratio", "ratio_to_same", "cpu_ratio_to_same"), 1
)
_T_TEST, _BOOTSTRAP = "corrected t over folds", "bootstrap over children"

# (seed, fold, our folder, Keras's folder)
Pair = tuple[int, int, Path, Path]


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of what ran beside Keras.

    Raises: ValueError for files that do not fit each other.
    """
    experiment = json.loads(args.experiment_json)
    source = read_json(args.source)
    protocols = {p["id"]: p for p in experiment["protocols"]}
    variants = {v["id"]: v for v in experiment["variants"]}
    rows = []
    for name in experiment["keras_peer"]["compared"]:
        common = common_columns(experiment, variants[name], source)
        if why := variants[name]["why_not"]:
            rows.append({**common, "note": f"not run: {why}"})
            continue
        for protocol in experiment["keras_peer"]["protocols"]:
            if protocol in protocols:
                found = _row(args, experiment, variants[name], protocols[protocol])
                rows.append({**common, **found})
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    left_out = [
        v for v in experiment["keras_peer"]["compared"] if variants[v]["left_out"]
    ]
    shown = [{**row, **_rounded(row)} for row in rows if row["variant"] not in left_out]
    title = f"{experiment['title']}: our engine beside Keras"
    tables.write_texts(path, title, _SHOWN, shown, _notes(experiment, source, rows))
    write_csv(path, COLUMNS, rows)


def _row(
    args: argparse.Namespace, experiment: Mapping, variant: Mapping, protocol: Mapping
) -> dict[str, Any]:
    """Return the numbers of one variant under one protocol."""
    ours, theirs = (
        runs.fold_folders(root, experiment, variant, protocol)
        for root in (args.runs, args.keras_runs)
    )
    pairs = [(*mine, other) for mine, (_, _, other) in zip(ours, theirs, strict=True)]
    beside = [read_json(pair[3] / "beside.json") for pair in pairs]
    return {
        "protocol": protocol["id"],
        **leak_columns(protocol),
        **_compared(args, protocol, pairs),
        **_times(beside),
        **_to_the_same(protocol, variant, pairs, beside),
        "repeats": _repeats(pairs, beside),
        "threads": _all(entry["threads"] for entry in beside),
        "device": _all(entry["device"] for entry in beside),
        "keras_device": _all(
            read_json(pair[3] / "training.json")["device_name"] for pair in pairs
        ),
    }


def _compared(
    args: argparse.Namespace, protocol: Mapping, pairs: Sequence[Pair]
) -> dict[str, Any]:
    """Return both sides' scores with their intervals, and the paired difference."""
    part = protocol["reported"]
    both = [[runs.scores_of(folder, part) for folder in pair[2:]] for pair in pairs]
    ours, theirs = (scores.summary(side) for side in zip(*both, strict=True))
    each_in_the_other = (
        ours["low"] <= theirs["ours"] <= ours["high"]
        and theirs["low"] <= ours["ours"] <= theirs["high"]
    )
    return {
        **{key: ours[key] for key in ("ours", "low", "high", "n")},
        "keras": theirs["ours"],
        "keras_low": theirs["low"],
        "keras_high": theirs["high"],
        "within": "yes" if each_in_the_other else "no",
        **_difference(args, protocol, pairs, both),
    }


def _difference(
    args: argparse.Namespace, protocol: Mapping, pairs: Sequence[Pair], both: Sequence
) -> dict[str, Any]:
    """Return Keras's score less ours, and its interval.

    Folds that are learned anew and tested on rows of their own: the corrected resampled
    t-test, of each fold's mean over the seeds, for seeds deal no other folds. Else the
    folds are no repetitions: bootstrap over the children, which has no p.
    """
    if protocol["weights"] == "carried" or protocol["reported"] != "test":
        found = scores.summary([_less(mine, other) for mine, other in both])
        return {
            "difference": found["ours"],
            "difference_low": found["low"],
            "difference_high": found["high"],
            "difference_by": _BOOTSTRAP,
        }
    by_fold: dict[int, list[tuple]] = {}
    for (_, fold, _, _), parts in zip(pairs, both, strict=True):
        by_fold.setdefault(fold, []).append(parts)
    ours, theirs = (
        [
            paired_tests.over_seeds([parts[i] for parts in fold])
            for fold in by_fold.values()
        ]
        for i in (0, 1)
    )
    dealt = load_folds(args.folds / f"{protocol['id']}.json", args.labels).folds
    found = paired_tests.compare(
        theirs,
        ours,
        lower_is_better=False,  # the plain difference, for better or worse
        n_train=intervals.mean_sd([len(fold.train) for fold in dealt])[0],
    )
    return {
        "difference": found["difference"],
        "difference_low": found.get("low"),
        "difference_high": found.get("high"),
        "difference_by": _T_TEST,
        "p": found.get("p"),
        "note": found.get("note"),
    }


def _less(mine: Mapping, other: Mapping) -> dict[str, Any]:
    """Return `scores.summed` of the differences, Keras's score less ours, row by row.

    Raises: ValueError if the two were not scored on the same rows.
    """
    counts = [{c: n for c, (_, n) in part["groups"].items()} for part in (mine, other)]
    if counts[0] != counts[1]:
        raise ValueError(
            f"scores: expected the same rows of both sides, received {mine['n']} rows "
            f"of {len(counts[0])} children and {other['n']} of {len(counts[1])}; make "
            "both anew"
        )
    return {
        "score": other["score"] - mine["score"],
        "n": mine["n"],
        "groups": {
            group: [other["groups"][group][0] - total, count]
            for group, (total, count) in mine["groups"].items()
        },
    }


def _times(beside: Sequence[Mapping]) -> dict[str, Any]:
    """Return each side's seconds of training, all folds and seeds together."""
    found = {}
    for clock, ratio in (("seconds", "ratio"), ("cpu_seconds", "cpu_ratio")):
        ours, theirs = (
            sum(entry[side][-1][clock] for entry in beside)
            for side in ("engine", "keras")
        )
        found |= {clock: ours, f"keras_{clock}": theirs, ratio: theirs / ours}
    return found


def _to_the_same(
    protocol: Mapping, variant: Mapping, pairs: Sequence[Pair], beside: Sequence
) -> dict[str, Any]:
    """Return the score that both reach in each learning, and the seconds until then.

    same_score: the mean over the learnings; seconds: their sum.
    """
    regression = variant["task"] == "regression"
    found = [
        to_the_same_score(ours, theirs, regression)
        for ours, theirs in _learnings(protocol, pairs, beside)
    ]
    ours, theirs, cpu_ours, cpu_theirs = (
        sum(reached[side][clock] for reached in found)
        for clock in ("seconds", "cpu_seconds")
        for side in (1, 2)
    )
    wanted = intervals.mean_sd([reached[0] for reached in found])[0]
    return {
        "same_score": wanted if regression else 100 * wanted,
        "seconds_to_same": ours,
        "keras_seconds_to_same": theirs,
        "ratio_to_same": theirs / ours,
        "cpu_ratio_to_same": cpu_theirs / cpu_ours,
    }


def _learnings(
    protocol: Mapping, pairs: Sequence[Pair], beside: Sequence[Mapping]
) -> Iterator[list[list[Pass]]]:
    """Yield both sides' passes of each learning: a fold, or where weights are carried,
    all folds of a seed one after the other.
    """
    carried = protocol["weights"] == "carried"
    learnings: dict[tuple, list[Mapping]] = {}
    for (seed, fold, _, _), entry in zip(pairs, beside, strict=True):
        learnings.setdefault((seed, None if carried else fold), []).append(entry)
    for entries in learnings.values():
        yield [_chained([e[side] for e in entries]) for side in ("engine", "keras")]


def _chained(folds: Sequence[Sequence[Pass]]) -> list[Pass]:
    """Return the folds' passes in a row, the seconds going on from fold to fold."""
    done = {"seconds": 0.0, "cpu_seconds": 0.0}
    rows = []
    for passes in folds:
        rows += [{**row, **{k: row[k] + done[k] for k in done}} for row in passes]
        done = {key: rows[-1][key] for key in done}
    return rows


def _repeats(pairs: Sequence[Pair], beside: Sequence[Mapping]) -> str:
    """Return whether our scores beside Keras are those of our own run, to the bit."""
    for (_, _, folder, _), entry in zip(pairs, beside, strict=True):
        lines = (folder / "history.csv").read_text("utf-8").splitlines()
        column = lines[0].split(",").index("validation_score")
        alone = [float(line.split(",")[column]) for line in lines[1:]]
        if alone != [row["score"] for row in entry["engine"]]:
            return "no"
    return "yes"


def _all(values: Iterable[Any]) -> str:
    return " ".join(dict.fromkeys(str(value) for value in values))


def _rounded(row: Mapping) -> dict[str, str]:
    """Return a row's numbers as a person reads them."""
    shown = {
        key: f"{value:.{_DIGITS.get(key, 2)}f}"
        for key, value in row.items()
        if isinstance(value, float)
    }
    for name, low, high in _INTERVALS:
        if low in shown:
            shown[name] = f"{shown[low]} … {shown[high]}"
    return shown


def _notes(experiment: Mapping, source: Mapping, rows: Sequence[Mapping]) -> list[str]:
    """Return what must stand beside every number of the table."""
    used = {row.get("protocol") for row in rows}
    seeds = " ".join(map(str, experiment["seeds"]))
    about = {row["keras_device"]: row for row in rows if "keras_device" in row}
    listed = [
        tables.about_data(source),
        f"Scale: {experiment['scale']}; seeds: {seeds}; n counts folds × seeds; ours "
        "and keras are means over them; interval, keras interval: 95 %, by bootstrap "
        "over the children (other children, the same trainings). mape, accuracy in %.",
        *(about_protocol(p) for p in experiment["protocols"] if p["id"] in used),
        "Both learned the same rows of the same folds from the same initial weights, "
        "by the same settings of the optimiser, batch size, passes, and rule for the "
        "best pass. Not the same: the order of the rows, the masks of dropout, the "
        "order of sums, and Adam's ε, which Keras adds before the moment is corrected.",
        "within: each score lies in the other's interval. difference: keras - ours.",
        f"difference interval: 95 %, by the {_T_TEST} (Nadeau and Bengio), with p, "
        "where each fold is learned anew and tested on rows of its own; elsewhere "
        f"folds are no repetitions, and it is by {_BOOTSTRAP}, without p.",
        "seconds, keras_seconds: training with its scoring of the validation part, all "
        "folds together, both in one process on the same threads, fold by fold in "
        "turns, on the wall; cpu_ratio: of the process's CPU time, which what else the "
        "machine does touches less. ratio: Keras's ÷ ours.",
        "same_score: of the validation part, which both sides reach; seconds_to_same: "
        "until the first pass that does, summed over the learnings (a fold; all folds "
        "of a seed in a row where weights are carried).",
        "This is the same network on both sides. The document's 10 and 30 times "
        "compare IgNet with this baseline in Keras: results/tables/engine_speed.csv, "
        "headline-*.",
    ]
    for name, row in about.items():
        listed.append(
            f"{name}; ours on {row['device']}; {row['threads']} thread(s) each."
        )
    if any(row.get("repeats") == "no" for row in rows):
        listed.append(
            "repeats: in a row that says no, our scores beside Keras were not those of "
            "our own run to the bit; the table shows our own run's."
        )
    return listed


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment-json", required=True, help="its settings, JSON")
    parser.add_argument("--runs", type=Path, required=True, help="results/runs")
    parser.add_argument("--keras-runs", type=Path, required=True, help="Keras's, alike")
    parser.add_argument("--folds", type=Path, required=True, help="their folder")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
