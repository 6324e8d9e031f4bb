"""Say whether two runs came to the same: every history, score, prediction and table.

    python -m tests.same_results OLD/results NEW/results

OLD may be of before the schemas of trainings were one: a rung's top5 and last network,
its gradients.csv. Times, devices and what else a machine decides are not compared.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What a machine decides: columns, and tables that hold little else.
_NOT = {"drawing", "device", "threads", "peak_mib", "steady", "step_ms", "estimate"}
_TIMES = ("conv_study", "conv_study_fits", "freezeconnect", "keras_peer")


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def training_of(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield (what, value) of one fold, by names that both schemas have."""
    records: dict[str, list] = {}
    scores: dict[str, str] = {}
    if (folder / "records.csv").exists():
        for row in rows(folder / "records.csv"):
            if row["record"] == "training_score":
                scores[row["pass"]] = row["value"]
            else:
                key = f"{row['record']} pass {row['pass']} {row['name']}"
                records[key] = [float(row["value"])]
    if (folder / "gradients.csv").exists():
        for row in rows(folder / "gradients.csv"):
            key = f"gradients pass {row['pass']} {row['name']}"
            records[key] = [float(row["sd"])]
    for row in rows(folder / "history.csv"):
        score = row.pop("training_score", scores.get(row["pass"]))
        found = {k: float(v) for k, v in row.items() if not _by_machine(k)}
        yield f"history pass {row['pass']}", [found, score and float(score)]
    yield from records.items()
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))["parts"]
    for part, found in metrics.items():
        networks = found if "best" in found else {"best": found}
        for network, score in networks.items():
            yield f"score {part} {network}", _score(score)
    for row in rows(folder / "predictions.csv"):
        key = f"prediction {row['part']} {row['id']}"
        best = row.get("prediction", row.get("best"))
        yield key, [row["target"], best]
        if row.get("last_top5") or row.get("last_top"):
            tops = ("best_top5", "prediction_top"), ("last_top5", "last_top")
            told = [row.get(a) or row.get(b) for a, b in tops]
            yield f"{key} last and top", [row["last"], *told]


def _by_machine(column: str) -> bool:
    return column in _NOT or "seconds" in column


def _score(score: dict[str, Any]) -> dict[str, Any]:
    found = {"loss": score["loss"], "n": score["n"]}
    if "top1" in score:
        return found | {
            "score": round(score["top1"]["accuracy"], 9),
            "top": round(score["top5"]["accuracy"], 9),
        }
    found["score"] = score["score"]
    return found | ({"top": score["top_score"]} if "top_score" in score else {})


def table_of(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (row's number, its columns but those that a machine decides)."""
    for number, row in enumerate(rows(path)):
        test = row.get("test", "")  # of a claim: by which table it is decided
        if not (test.startswith(_TIMES) or "peak_mib" in test):
            yield f"row {number}", {k: v for k, v in row.items() if not _by_machine(k)}


def compare(old: Path, new: Path) -> tuple[Counter[str], list[str]]:
    """Return how many values are the same, by their kind, and what is not."""
    same: Counter[str] = Counter()
    wrong: list[str] = []
    files = sorted(old.glob("runs/**/history.csv"))
    pairs = [(f.parent, training_of) for f in files]
    tables = sorted(old.glob("tables/*.csv"))
    pairs += [(f, table_of) for f in tables if f.stem not in _TIMES]
    for path, read in pairs:
        other = new / path.relative_to(old)
        if not other.exists():
            wrong.append(f"{other}: missing")
            continue
        theirs = dict(read(other))
        for what, value in read(path):
            kind = "table rows" if read is table_of else what.split()[0]
            if theirs.get(what) == value or _within(value, theirs.get(what)):
                same[kind] += 1
            else:
                told = f"{value!r:.200} and {theirs.get(what)!r:.200}"
                wrong.append(f"{other}: {what}: {told}")
    return same, wrong


def _within(value: Any, other: Any) -> bool:
    """Return whether a dict has all that another one has: columns may be added."""
    if not (isinstance(value, dict) and isinstance(other, dict)):
        return False
    return all(other.get(key) == v for key, v in value.items())


def main() -> None:
    """Print the counts; exit with 1 if anything differs."""
    same, wrong = compare(*map(Path, sys.argv[1:3]))
    for kind, count in sorted(same.items()):
        print(f"{count:8d} {kind} the same")
    print(f"{len(wrong):8d} not the same")
    print("\n".join(wrong[:40]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
