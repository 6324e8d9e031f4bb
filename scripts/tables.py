"""Step `tables`: published numbers beside ours, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, runs, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import intervals, scores
from scripts.lib.split.samples import read_targets

COLUMNS = (
    "experiment",
    "variant",
    "target",
    "task",
    "model",
    "protocol",
    "leaks",
    "metric",
    "published",
    "published_where",
    "ours",
    "sd",
    "low",
    "high",
    "n",
    "last",
    "part",
    "passes",
    "classes",
    "dataset",
    "status",
    "scale",
    "seeds",
    "device",
    "seconds",
    "note",
)
# What a person reads: a row for each network and protocol, the trivial baselines in it.
SHOWN = (
    "variant",
    "protocol",
    "leaks",
    "metric",
    "published",
    "ours",
    "sd",
    "interval",
    "n",
    "last",
    "part",
    "chance",
    "majority",
    "neighbour",
    "linear",
    "ceiling",
    "seconds",
    "note",
)
_BASELINES = {
    "chance": "chance",
    "majority": "majority",
    "median": "majority",
    "nearest neighbour": "neighbour",
    "ridge": "linear",
    "logistic": "linear",
    "ceiling": "ceiling",
}
_DEPENDENT = " (so its folds are no independent trials, and sd no error bar)"
_METRICS = {"regression": "mape", "classification": "accuracy"}


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of one experiment."""
    experiment = json.loads(args.experiment_json)
    source = read_json(args.source)
    rows, shown = [], []
    for variant in experiment["variants"]:
        common = common_columns(experiment, variant, source)
        if variant["why_not"]:
            row = {**common, "note": f"not run: {variant['why_not']}"}
            rows.append(row)
            if not variant["left_out"]:
                shown.append(row)
            continue
        common["classes"] = _count_classes(args.labels, variant)
        for protocol in experiment["protocols"]:
            about = {**common, "protocol": protocol["id"], **leak_columns(protocol)}
            found = list(runs.fold_folders(args.runs, experiment, variant, protocol))
            own = {**about, **_scores(protocol, found)}
            asked = experiment["baselines"]
            trivial = list(_baselines(args, variant, protocol)) if asked else []
            rows += [own, *({**about, **row} for row in trivial)]
            levels = {_BASELINES[row["model"]]: f"{row['ours']:.2f}" for row in trivial}
            shown.append({**own, **_rounded(own), **levels})
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    texts = notes(experiment, source)
    tables.write_texts(path, experiment["title"], SHOWN, shown, texts)
    write_csv(path, COLUMNS, rows)


def notes(experiment: Mapping, source: Mapping) -> list[str]:
    """Return what must stand beside every number of a table."""
    listed = [
        tables.about_data(source),
        f"Scale: {experiment['scale']}; seeds: {_seeds(experiment)}; n counts folds × "
        "seeds; ours is their mean, sd their standard deviation (n - 1); interval: "
        "95 %, by bootstrap over the children (other children, the same trainings).",
    ]
    listed += [about_protocol(protocol) for protocol in experiment["protocols"]]
    if any(p["weights"] == "carried" for p in experiment["protocols"]):
        listed.append(
            "last: the score after the last fold, mean over the seeds, where weights "
            "are carried; S0 4.4.1 scores the validation part then, and then only."
        )
    left_out = [v["id"] for v in experiment["variants"] if v["left_out"]]
    left_out += [f"protocol {p}" for p in experiment["left_out"]]
    if left_out:
        listed.append(
            f"Not run at the scale {experiment['scale']}: {', '.join(left_out)}."
        )
    listed += [
        "Trivial baselines on the same folds and part, without intervals here (the CSV "
        "has them): chance; majority: the most frequent class, or the median age; "
        "neighbour: the nearest on pixels; linear: ridge or logistic regression on "
        "pixels; ceiling: rows whose class the training part holds at all.",
        "mape in %, accuracy in %; seconds: training, all folds together.",
    ]
    return listed


def about_protocol(protocol: Mapping) -> str:
    """Return what a table says of a protocol: folds, leak, weights, labels, part."""
    what = (
        "LEAKS: copies of one drawing stand on both sides of the split"
        if protocol["leaks"]
        else f"no {protocol['unit']} stands on two sides, only the training side is "
        "enlarged"
    )
    if protocol["labels"] == "shuffled":
        what += "; the labels are SHUFFLED over the drawings"
    dependent = _DEPENDENT if protocol["weights"] == "carried" else ""
    return (
        f"Protocol {protocol['id']}: {protocol['title']}; {protocol['k']} folds, "
        f"weights {protocol['weights']}{dependent}; {what}; reported is the "
        f"{protocol['reported']} part."
    )


def _seeds(experiment: Mapping) -> str:
    return " ".join(map(str, experiment["seeds"]))


def common_columns(
    experiment: Mapping, variant: Mapping, source: Mapping
) -> dict[str, Any]:
    """Return the columns that say what was run, on what, and what was published."""
    published = variant["published"] or {}
    sign = {"=": ""}.get(published.get("relation"), published.get("relation", ""))
    return {
        "experiment": experiment["experiment"],
        "variant": variant["id"],
        "target": "+".join(variant["target"]),
        "task": variant["task"],
        "model": variant["model"],
        "metric": _METRICS[variant["task"]],
        "published": f"{sign} {published['value']}".strip() if published else None,
        "published_where": published.get("where"),
        "dataset": source["dataset"],
        "status": source["status"],
        "scale": experiment["scale"],
        "seeds": _seeds(experiment),
    }


def leak_columns(protocol: Mapping) -> dict[str, str]:
    """Return the columns that say whether a protocol leaks, and what it scores."""
    return {
        "leaks": "yes" if protocol["leaks"] else "no",
        "part": protocol["reported"],
    }


def _scores(protocol: Mapping, found: list[tuple[int, int, Path]]) -> dict[str, Any]:
    """Return the numbers of one variant under one protocol, from its folds' files."""
    part = protocol["reported"]
    parts = [runs.scores_of(folder, part) for _, _, folder in found]
    training = [read_json(folder / "training.json") for _, _, folder in found]
    ends = [
        part["score"]
        for part, (_, fold, _) in zip(parts, found, strict=True)
        if fold == protocol["k"] - 1
    ]
    carried = protocol["weights"] == "carried"
    passes = sorted({t["passes"] for t in training})
    return {
        **scores.summary(parts),
        "last": intervals.mean_sd(ends)[0] if carried else None,
        "passes": "-".join(map(str, dict.fromkeys((passes[0], passes[-1])))),
        "device": " ".join(sorted({t["device"] for t in training})),
        "seconds": round(sum(t["seconds"] for t in training), 1),
    }


def _baselines(args, variant: Mapping, protocol: Mapping) -> Iterable[dict[str, Any]]:
    """Yield the rows of the trivial baselines of one variant and protocol."""
    path = args.baselines / variant["augmentation"] / protocol["scored_like"]
    task = f"{variant['task']}-{'+'.join(variant['target'])}.json"
    for name, parts in read_json(path / task).items():
        yield {
            "model": name,
            "published": None,
            "published_where": None,
            **scores.summary(parts),
        }


def _count_classes(labels: Path, variant: Mapping) -> int | None:
    if variant["task"] == "regression":
        return None
    return len(set(read_targets(labels, variant["target"]).values()))


def _rounded(row: Mapping) -> dict[str, str]:
    """Return a row's numbers as a person reads them."""
    keys = ("ours", "sd", "low", "high", "last")
    shown = {k: f"{row[k]:.2f}" for k in keys if row.get(k) is not None}
    if "low" in shown:
        shown["interval"] = f"{shown['low']} … {shown['high']}"
    return shown


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment-json", required=True, help="its settings, JSON")
    parser.add_argument("--runs", type=Path, required=True, help="results/runs")
    parser.add_argument("--baselines", type=Path, required=True, help="their folder")
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
