"""Step `audit_table`: what every protocol shares between its sides, as one table."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.leak import audit
from scripts.lib.leak.seen_rows import SCORED_PARTS

SHARES = ("same_row", "same_drawing", "same_child")
# any: also of the same drawing; other: of other drawings alone.
MEASURES = ("correlation", "hash")
KINDS = ("any", "other")
COLUMNS = (
    "dataset",
    "status",
    "scale",
    "augmentation",
    "protocol",
    "level",
    "part",
    "reported",
    "folds",
    "rows",
    *(f"{share}{which}" for share in SHARES for which in ("", "_worst")),
    "identical_other",
    *(
        f"{measure}_{kind}{which}"
        for measure in MEASURES
        for kind in KINDS
        for which in ("", "_worst", "_closest")
    ),
)
# What a person reads.
SHOWN = (
    "dataset",
    "augmentation",
    "protocol",
    "level",
    "part",
    "rows",
    *SHARES,
    "identical_other",
    "correlation_any",
    "correlation_other",
    "correlation_other_closest",
    "hash_any",
    "hash_other",
    "hash_other_closest",
)


def make_table(
    audits: Sequence[Path], sources: Sequence[Path], scale: str, stem: Path
) -> None:
    """Write STEM.csv, STEM.md and STEM.tex from the audits of all protocols.

    A row for each data set, augmentation, protocol and scored part; portions in %,
    means over the folds and the worst fold. Every row of the set is looked at: there
    is no sampling, and so no interval.
    """
    found = sorted(
        map(read_json, audits),
        key=lambda e: (e["dataset"], e["augmentation"], e["protocol"]),
    )
    about = {source["dataset"]: source for source in map(read_json, sources)}
    rows = [
        {"status": about[entry["dataset"]]["status"], "scale": scale, **row}
        for entry in found
        for row in _rows(entry)
    ]
    path = stem.with_name(f"{stem.name}.csv")
    shown = [{key: _text(key, value) for key, value in row.items()} for row in rows]
    for row in shown:
        row["part"] += " (reported)" if row["reported"] == "yes" else ""
    notes = _notes(found, about, scale)
    tables.write_texts(path, "Leak audit", SHOWN, shown, notes)
    write_csv(path, COLUMNS, rows)


def _rows(entry: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield a row for each scored part of one protocol."""
    for part in SCORED_PARTS:
        folds = [fold for fold in entry["scored"] if fold["part"] == part]
        row = {
            **{k: entry[k] for k in ("dataset", "augmentation", "protocol", "level")},
            "part": part,
            "reported": "yes" if part == entry["reported"] else "no",
            "folds": len(folds),
            "rows": sum(fold["rows"] for fold in folds),
            "identical_other": sum(fold["identical_other"] for fold in folds),
        }
        for share in SHARES:
            row |= _portion(share, folds, [fold[share] for fold in folds])
        for measure in MEASURES:
            closest = max if measure == "correlation" else min
            for kind in KINDS:
                name = f"{measure}_{kind}"
                row |= _portion(name, folds, [fold[measure][kind] for fold in folds])
                values = [fold[measure][f"closest_{kind}"] for fold in folds]
                known = [value for value in values if value is not None]
                row[f"{name}_closest"] = closest(known) if known else None
        yield row


def _portion(
    name: str, folds: Sequence[Mapping[str, Any]], counts: Sequence[int]
) -> dict[str, float]:
    """Return a count in % of the folds' rows: their mean, and the worst fold."""
    portions = [100 * c / fold["rows"] for c, fold in zip(counts, folds, strict=True)]
    mean = sum(portions) / len(portions)
    return {name: round(mean, 9), f"{name}_worst": round(max(portions), 9)}


def _notes(
    found: Sequence[Mapping[str, Any]], about: Mapping[str, Mapping], scale: str
) -> list[str]:
    """Return what must stand beside the numbers: levels first."""
    listed = [
        *_verdicts(found),
        *map(_data, about.values()),
        f"Scale: {scale}. rows: scored rows, all folds together (a row that is scored "
        "in k folds counts k times); what follows is in % of a fold's rows, mean over "
        "the folds (the CSV file has the worst fold too). Every row is looked at: no "
        "sampling, no interval. Folds and copies are dealt and made with fixed seeds; "
        "the seeds of a training change nothing here.",
        "same_row, same_drawing, same_child: the row itself, a copy of its drawing, a "
        "drawing by its child was seen before. Seen are the rows that are learned, "
        "before the test part also the validation rows (they choose the pass that is "
        "kept), and where weights are carried over the rows that earlier folds "
        "learned.",
        "identical_other: rows that agree in every pixel with a seen row of another "
        "drawing. A protocol that must not leak fails for one such row, as for a "
        "drawing (by child: a child) on two sides.",
        "correlation, hash: near-duplicates among the seen rows, any: also of the same "
        "drawing, other: of other drawings; closest: the largest correlation, and the "
        "least number of 64 bits that differ. Alike is not the same: this is no "
        "failure, results/figures/DATASET-duplicates.png shows the closest.",
        *_thresholds(found),
        *_turned(found),
    ]
    return listed


def _verdicts(found: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield the levels, and how much of what is reported was seen before.

    Those that say the same share a line; what leaks comes first.
    """
    told: dict[tuple[bool, str], list[str]] = {}
    for entry in found:
        key = (entry["level"] != audit.BY_DESIGN, _verdict(entry))
        told.setdefault(key, []).append(
            f"{entry['protocol']} ({entry['dataset']}, {entry['augmentation']})"
        )
    for (_, verdict), names in sorted(told.items()):
        yield f"{verdict}: {', '.join(names)}."


def _verdict(entry: Mapping[str, Any]) -> str:
    part = next(row for row in _rows(entry) if row["reported"] == "yes")
    if entry["level"] == audit.BY_DESIGN:
        return (
            "LEAKS BY DESIGN, as its file says; of the rows that are reported "
            f"({part['part']}), {part['same_drawing']:.1f} % have a copy of their "
            f"drawing among those seen before, {part['same_row']:.1f} % are there "
            "themselves"
        )
    return (
        f"{entry['level'].capitalize()} by {entry['unit']}; of the rows that are "
        f"reported ({part['part']}), none has its drawing among those seen before, "
        f"{part['same_child']:.1f} % have another drawing by their child there"
    )


def _data(source: Mapping[str, Any]) -> str:
    told = f"Data: {source['title']} ({source['dataset']}, {source['status']})."
    if source["status"] == "stand-in":
        told += " These are generated drawings, no children's."
    return told


def _thresholds(found: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield for each data set how the thresholds do on it."""
    for dataset in dict.fromkeys(entry["dataset"] for entry in found):
        sets = {e["augmentation"]: e for e in found if e["dataset"] == dataset}
        near = next(iter(sets.values()))["near_duplicates"]
        taken = near["taken_for_copies"]
        hits = [_hits(name, e["near_duplicates"]) for name, e in sets.items()]
        yield (
            f"{dataset}: near-duplicate means correlation >= {near['correlation']}, or "
            f"at most {near['hash_distance']} bits. Of "
            f"{near['pairs_of_different_children']} pairs of drawings by different "
            f"children {taken['correlation']} and {taken['hash']} are. Of the copies "
            f"these are found to be their drawing's: {'; '.join(hits)}."
        )


def _turned(found: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield for each data set the pairs that are alike only when one is turned."""
    for dataset in dict.fromkeys(entry["dataset"] for entry in found):
        pairs = {
            (-pair["correlation"], pair["scored"], pair["seen"], pair["view"])
            for entry in found
            if entry["dataset"] == dataset
            for pair in entry["near_duplicates"]["turned"]
        }
        if pairs:
            told = ", ".join(
                f"{a} and {b} ({view})" for _, a, b, view in sorted(pairs)[:5]
            )
            yield (
                f"{dataset}: on two sides of a protocol that must not leak, alike "
                f"when one is mirrored, turned by quarters or cropped: {told}."
            )


def _hits(augmentation: str, near: Mapping[str, Any]) -> str:
    if not near["copies"]:
        return f"{augmentation} makes none"
    by_pixels, by_hash = (
        100 * near["copies_found"][measure] / near["copies"] for measure in MEASURES
    )
    return f"{augmentation} {by_pixels:.1f} % and {by_hash:.1f} %"


def _text(column: str, value: Any) -> str:
    """Return a cell as a person reads it: portions in %, correlations with 3 digits."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.3f}" if column.endswith("_closest") else f"{value:.2f}"


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=Path, nargs="+", required=True, help="JSON")
    parser.add_argument(
        "--sources", type=Path, nargs="+", required=True, help="source.json files"
    )
    parser.add_argument("--scale", required=True)
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    args = parser.parse_args()
    make_table(args.audits, args.sources, args.scale, args.output_stem)


if __name__ == "__main__":
    cli.run(main)
