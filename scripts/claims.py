"""Step `claims`: a document's testable sentences, and what our tables say to them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, inheritance, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import claims, claims_words
from scripts.lib.score.claims import ANY, Finding, Tables

COLUMNS = (
    "claim",
    "section",
    "sentence",
    "published",
    "view",
    "ours",
    "verdict",
    "because",
    "test",
    "remark",
    "dataset",
    "status",
    "scale",
    "seeds",
)
SHOWN = ("section", "sentence", "published")


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of one document's claims.

    Raises: ValueError if a claim asks for a column that its table has not.
    """
    asked = inheritance.load(args.claims)
    read = {path.stem: tables.read(path) for path in args.tables}
    rows = [
        row
        for name, claim in asked["claims"].items()
        for row in judge(name, claim, asked, read)
    ]
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    views = list(asked["views"])
    columns = (*SHOWN, *(word for view in views for word in _headings(view)))
    shown = _wide(rows, views)
    sources = [read_json(path) for path in args.sources]
    texts = _notes(rows, views, sources, args.scale)
    tables.write_texts(path, asked["title"], columns, shown, texts)
    write_csv(path, COLUMNS, rows)


def judge(
    name: str, claim: Mapping[str, Any], asked: Mapping[str, Any], read: Tables
) -> Iterator[dict[str, Any]]:
    """Yield a row for each view of a claim.

    asked: the claims file, of which the views and what makes other tables are needed.
    """
    about = {
        "claim": name,
        "section": claim["section"],
        "sentence": claim["says"],
        "published": claim.get("published"),
        "remark": claim.get("remark"),
    }
    if "untested" in claim:
        yield {
            **about,
            "view": ANY,
            "verdict": claims.UNDECIDED,
            "because": claim["untested"],
        }
        return
    for view, tests in claim["tests"].items():
        finding = claims.find(
            tests, read, view=asked["views"].get(view), outside=asked.get("outside")
        )
        found = {key: _values(finding, key) for key in COLUMNS[-4:]}
        word, because = claims.verdict(
            finding,
            set(found["status"]),
            set(found["scale"]),
            **{key: claim[key] for key in ("data", "scale") if key in claim},
        )
        several = [tests] if isinstance(tests, Mapping) else tests
        yield {
            **about,
            "view": view,
            "ours": finding.ours,
            "verdict": word,
            "because": because,
            "test": "; ".join(map(claims_words.describe, several)),
            **{key: ", ".join(values) for key, values in found.items()},
        }


def _values(finding: Finding, key: str) -> list[str]:
    return sorted({row[key] for row in finding.rows if row.get(key)})


def _headings(view: str) -> tuple[str, str]:
    return f"ours, {view}", f"verdict, {view}"


def _wide(
    rows: Sequence[Mapping[str, Any]], views: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row for each claim, its views side by side."""
    shown: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = shown.setdefault(row["claim"], {key: row[key] for key in SHOWN})
        ours, verdict = _headings(views[0] if row["view"] == ANY else row["view"])
        because = row["because"]
        line[ours] = row.get("ours")
        line[verdict] = f"{row['verdict']}: {because}" if because else row["verdict"]
        if row["remark"] and not line["sentence"].endswith("]"):
            line["sentence"] = f"{line['sentence']} [{row['remark']}]"
    return list(shown.values())


def _notes(
    rows: Sequence[Mapping[str, Any]],
    views: Sequence[str],
    sources: Sequence[Mapping[str, Any]],
    scale: str,
) -> Iterator[str]:
    """Yield what must stand beside the verdicts."""
    yield from (tables.about_data(source, "images") for source in sources)
    seeds = sorted({row["seeds"] for row in rows if row.get("seeds")})
    yield f"Scale: {scale}; seeds: {', '.join(seeds) or 'none'}."
    for view in [*views, ANY]:
        counts = Counter(row["verdict"] for row in rows if row["view"] == view)
        if counts:
            told = ", ".join(f"{number} {word}" for word, number in counts.items())
            where = "No view" if view == ANY else f"View {view}"
            yield f"{where}: {told}."
    yield (
        "Every verdict is computed from the tables named in the CSV's column `test`: "
        "reproduced if what stands there holds, not reproduced if one row speaks "
        "against it; cannot be decided where no row, or not all of them, is there. "
        "(other data): others than the document's; generated ones decide "
        "nothing about it, nor does the scale smoke. ours: one value, with its 95 % "
        "interval where its table has one, or the least … greatest of so many rows."
    )
    yield (
        f"What does not depend on a protocol (times, derivatives) stands under "
        f"{views[0]}. In []: how a sentence is read here, where it leaves that open."
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, required=True, help="their YAML file")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="CSV files")
    parser.add_argument(
        "--sources", type=Path, nargs="*", default=[], help="source.json files"
    )
    parser.add_argument("--scale", required=True)
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
