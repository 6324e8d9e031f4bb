"""Step `tables`: published numbers beside ours, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib import cli, statistics, tables
from scripts.lib.files import read_json, write_csv
from scripts.lib.samples import read_targets

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
# What a person reads: the columns that differ from row to row.
SHOWN = (
    "variant",
    "model",
    "protocol",
    "leaks",
    "metric",
    "published",
    "ours",
    "sd",
    "n",
    "last",
    "part",
    "device",
    "seconds",
    "note",
)
_DEPENDENT = " (so its folds are no independent trials, and sd no error bar)"
_METRICS = {
    "regression": ("mape", "mape_percent", 1.0),
    "classification": ("accuracy", "accuracy", 100.0),
}


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of one experiment."""
    experiment = json.loads(args.experiment_json)
    source = read_json(args.source)
    metrics = [read_json(path) for path in args.metrics]
    training = {_place(p): read_json(p) for p in args.training}
    for path, entry in zip(args.metrics, metrics, strict=True):
        entry["training"] = training[_place(path)]
    rows = []
    for variant in experiment["variants"]:
        common = _common(experiment, variant, source)
        if not variant["run"]:
            rows.append({**common, "note": _not_recorded(experiment, variant)})
            continue
        common["classes"] = _count_classes(args.labels, variant)
        for protocol in experiment["protocols"]:
            about = {**common, "protocol": protocol["id"], **_leaks(protocol)}
            found = [
                m
                for m in metrics
                if (m["variant"], m["protocol"]) == (variant["id"], protocol["id"])
            ]
            rows.append({**about, **_scores(variant, protocol, found)})
            rows += [{**about, **row} for row in _baselines(args, variant, protocol)]
    stem = args.output_stem
    shown = [{**row, **_rounded(row)} for row in rows]
    title = f"{experiment['title']}"
    path = stem.with_name(f"{stem.name}.csv")
    tables.write_texts(path, title, SHOWN, shown, notes(experiment, source))
    write_csv(path, COLUMNS, rows)


def notes(experiment: Mapping, source: Mapping) -> list[str]:
    """Return what must stand beside every number of a table."""
    told = f"Data: {source['title']} ({source['dataset']}, {source['status']})."
    if source["status"] == "stand-in":
        told += (
            f" These are generated drawings, not the {source['stands_in_for']} "
            "drawings of the document: no number here is a reproduction."
        )
    listed = [
        told,
        f"Scale: {experiment['scale']}; seeds: {_seeds(experiment)}; n counts folds × "
        "seeds; ours is their mean, sd their standard deviation (n - 1).",
    ]
    for p in experiment["protocols"]:
        what = (
            "LEAKS: copies of one drawing stand on both sides of the split"
            if p["leaks"]
            else "no child stands on two sides; only the training side is enlarged"
        )
        listed.append(
            f"Protocol {p['id']}: {p['title']}; {p['k']} folds, weights {p['weights']}"
            f"{_DEPENDENT if p['weights'] == 'carried' else ''}; {what}; reported is "
            f"the {p['reported']} part."
        )
    if any(p["weights"] == "carried" for p in experiment["protocols"]):
        listed.append(
            "last: the score after the last fold, mean over the seeds, where weights "
            "are carried; S0 4.4.1 scores the validation part then, and then only."
        )
    listed.append("mape in %, accuracy in %; seconds: training, all folds together.")
    return listed


def _place(path: Path) -> str:
    """Return the folder of one training, from a path to one of its files."""
    return path.parent.as_posix()


def _seeds(experiment: Mapping) -> str:
    return " ".join(map(str, experiment["seeds"]))


def _common(experiment: Mapping, variant: Mapping, source: Mapping) -> dict[str, Any]:
    published = variant["published"] or {}
    sign = {"=": ""}.get(published.get("relation"), published.get("relation", ""))
    return {
        "experiment": experiment["experiment"],
        "variant": variant["id"],
        "target": "+".join(variant["target"]),
        "task": variant["task"],
        "model": variant["model"],
        "metric": _METRICS[variant["task"]][0],
        "published": f"{sign} {published['value']}".strip() if published else None,
        "published_where": published.get("where"),
        "dataset": source["dataset"],
        "status": source["status"],
        "scale": experiment["scale"],
        "seeds": _seeds(experiment),
    }


def _leaks(protocol: Mapping) -> dict[str, str]:
    return {
        "leaks": "yes" if protocol["leaks"] else "no",
        "part": protocol["reported"],
    }


def _scores(variant: Mapping, protocol: Mapping, found: list[dict]) -> dict[str, Any]:
    _, key, factor = _METRICS[variant["task"]]
    values = [factor * m["parts"][protocol["reported"]][key] for m in found]
    mean, sd = statistics.mean_sd(values)
    training = [m["training"] for m in found]
    last = max(m["fold"] for m in found)
    ends = [v for v, m in zip(values, found, strict=True) if m["fold"] == last]
    carried = protocol["weights"] == "carried"
    passes = sorted({t["passes"] for t in training})
    return {
        "ours": mean,
        "sd": sd,
        "n": len(values),
        "last": statistics.mean_sd(ends)[0] if carried else None,
        "passes": "-".join(map(str, dict.fromkeys((passes[0], passes[-1])))),
        "device": " ".join(sorted({t["device"] for t in training})),
        "seconds": round(sum(t["seconds"] for t in training), 1),
    }


def _baselines(args, variant: Mapping, protocol: Mapping) -> Iterable[dict[str, Any]]:
    """Yield the rows of the trivial baselines of one variant and protocol."""
    wanted = (variant["id"], protocol["id"])
    for path in args.baselines:
        if path.parts[-3:-1] != wanted:
            continue
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield {
                    "model": row["baseline"],
                    "published": None,
                    "published_where": None,
                    "metric": row["metric"],
                    "ours": float(row["mean"]),
                    "sd": float(row["sd"]) if row["sd"] else None,
                    "n": int(row["n"]),
                }


def _not_recorded(experiment: Mapping, variant: Mapping) -> str:
    missing = [f for f in variant["target"] if f not in experiment["recorded"]]
    return f"not run: {experiment['dataset']} does not record {', '.join(missing)}"


def _count_classes(labels: Path, variant: Mapping) -> int | None:
    if variant["task"] == "regression":
        return None
    return len(set(read_targets(labels, variant["target"]).values()))


def _rounded(row: Mapping) -> dict[str, str]:
    return {
        k: f"{row[k]:.2f}" for k in ("ours", "sd", "last") if row.get(k) is not None
    }


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment-json", required=True, help="its settings, JSON")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True)
    parser.add_argument("--training", type=Path, nargs="+", required=True)
    parser.add_argument("--baselines", type=Path, nargs="+", required=True)
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
