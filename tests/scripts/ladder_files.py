"""What rungs of a small ladder leave, written by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from scripts.lib.io.files import write_csv, write_json

# 4 classes in 2 superclasses; images t0 ... t7 are of the classes abcdabcd.
ABOVE = {"a": "one", "b": "one", "c": "two", "d": "two"}
TRUE = "abcdabcd"
RECIPE = {"passes": 2}
# What each rung says of the 8 test images after the last pass, seed by seed.
TOLD = {
    "flat": ("abcdaaaa", "abcdabaa"),
    "deep": ("aaaaaaaa", "abaaaaaa"),
    "both": ("abcdabcd", "abcdabca"),
}


def about(seeds=(0,)):
    """Return what `ladder.ladder_json` says of three rungs, and one that copies."""
    published = {
        "flat": {"validation": 40.0, "where": "S4 5.1"},
        "deep": {"where": "S4 3"},
        "both": {"train": 90.0, "validation": 60.0, "test": 99.5, "where": "S4 5"},
        "final": {"test": 50.0, "where": "S4 6"},
    }
    follows = {"flat": [], "deep": ["flat"], "both": ["flat", "deep"], "final": []}
    other = {"passes": 2, "augment": [{"erase": {}}]}
    return {
        "group": "tiny",
        "document": "S4",
        "samples": "photographs",
        "target": ["class"],
        "coarser": "superclass",
        "source": "S4",
        "variant": "rung",
        "protocol": "official",
        "scale": "demo",
        "seeds": list(seeds),
        "rungs": [
            {
                "id": name,
                "trained_as": "both" if name == "final" else name,
                "record": {"training_score": {"images": 2500}, "top": 5},
                "recipe": other if name in ("both", "final") else RECIPE,
                "follows": follows[name],
                "title": name,
                "label": name.title(),
                "rung": number,
                "published": published[name],
            }
            for number, name in enumerate(published, start=1)
        ],
    }


def _part(n, hits):
    return {"n": n, "score": 100 * hits / n, "top_score": 100 * min(n, hits + 1) / n}


def _write_run(folder: Path, told: str, seed: int) -> None:
    hits = sum(map(str.__eq__, told, TRUE))
    tests = {"best": _part(8, 1), "last": _part(8, hits)}
    checks = {"best": _part(5, 3), "last": _part(5, 2)}
    parts = {"test": tests, "validation": checks}
    write_json(folder / "metrics.json", {"classes": 4, "parts": parts})
    write_json(
        folder / "training.json",
        {
            "best_pass": 1,
            "device": "threads",
            "threads": 2,
            "parameters": 1000 + 500 * (hits > 4),
            "passes": 2,
            "peak_bytes": (3 + seed) * 2**20,
            "samples": {"train": 10, "validation": 5},
            "seconds": 6.0 + seed,
        },
    )
    history = [
        {"pass": i, "seconds": s, "validation_score": v}
        for i, s, v in ((1, 4.0, 0.6), (2, 2.0 + seed, 0.4))
    ]
    write_csv(folder / "history.csv", list(history[0]), history)
    rows = [
        {"part": "test", "id": f"t{i}", "target": t, "prediction": "a", "last": given}
        for i, (t, given) in enumerate(zip(TRUE, told, strict=True))
    ]
    rows.append({**rows[0], "part": "validation", "id": "v0"})
    write_csv(folder / "predictions.csv", list(rows[0]), rows)
    sds = [
        ("gradients", p, 0.0 if p and i == 2 else 0.1 * i)
        for p in range(3)
        for i in (1, 2, 3)
    ]
    scores = [("training_score", 1, 0.5), ("training_score", 2, 0.9)]
    records = [
        dict(zip(("record", "pass", "value"), entry, strict=True))
        for entry in [*sds, *scores]
    ]
    write_csv(folder / "records.csv", list(records[0]), records)


def write_ladder(root: Path, seeds=(0,), status: str = "stand-in") -> SimpleNamespace:
    """Write all files; return their places as the steps' arguments."""
    for rung, by_seed in TOLD.items():
        for seed in seeds:
            folder = root / "runs" / rung / "rung/official" / f"seed{seed}" / "fold0"
            folder.mkdir(parents=True, exist_ok=True)
            _write_run(folder, by_seed[seed], seed)
    source = {"dataset": "tiny-100", "title": "Tiny", "status": status}
    write_json(root / "source.json", source | {"stands_in_for": "cifar-100"})
    alike = [{"test": "t3", "train": "x1", "kind": "near"}]
    write_csv(root / "near.csv", list(alike[0]), alike)
    labels = [{"sample": n, "class": n, "superclass": s} for n, s in ABOVE.items()]
    write_csv(root / "labels.csv", list(labels[0]), labels)
    return SimpleNamespace(
        runs=root / "runs",
        source=root / "source.json",
        near_duplicates=root / "near.csv",
        labels=root / "labels.csv",
        output_stem=root / "tables/tiny",
    )
