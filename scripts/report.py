"""Step `report`: say in plain words what was reproduced, from the tables alone."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scripts.lib.io import cli, deviations
from scripts.lib.io import tables as table_files
from scripts.lib.io.files import write_text

# A published value is reached if ours is as good, or closer than this many points.
_TOLERANCE = 1.0


def make_summary(
    tables: Sequence[Path],
    xor: Path | None,
    output: Path,
    claims: Sequence[Path] = (),
    ladders: Sequence[Path] = (),
) -> None:
    """Write the report's opening page as reStructuredText."""
    lines = ["What was reproduced, and what was not", "=" * 37, ""]
    if xor is not None:
        lines += _xor_lines(table_files.read(xor))
    for path in claims:
        lines += _claims_lines(path.stem, table_files.read(path))
    read = [table_files.read(path) for path in tables]
    for path, rows in zip(tables, read, strict=True):
        lines += _experiment_lines(path.stem, rows)
    for path in ladders:
        lines += _ladder_lines(path.stem, table_files.read(path))
    found = deviations.collect(Path(__file__).resolve().parents[1])
    if found:
        lines += _heading("Choices of ours where a document is silent")
        # A pair of bars would name a substitution.
        told = [(place, text.replace("|", r"\|")) for place, text in found]
        lines += [f"* {text} (``{place}``)" for place, text in told]
    write_text(output, "\n".join([*lines, ""]))


def _xor_lines(rows: Sequence[Mapping[str, str]]) -> list[str]:
    first, last = rows[0], rows[-1]
    return [
        *_heading("XOR (S2 Fig. 3)"),
        f"The engine's own layers, in float64: the loss falls from {first['loss']} to "
        f"{last['loss']} in {last['step']} steps. The test suite compares every digit "
        "of this table with the document's.",
        "",
    ]


def _claims_lines(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return how many sentences of a document were borne out, view by view."""
    lines = _heading(f"{name.removeprefix('claims_').upper()}, sentence by sentence")
    for view in dict.fromkeys(row["view"] for row in rows):
        counts = Counter(row["verdict"] for row in rows if row["view"] == view)
        told = ", ".join(f"{number} {word}" for word, number in counts.items())
        lines.append(f"* {'no protocol' if view == 'any' else view}: {told}.")
    return [*lines, "", f"Each of them: ``results/tables/{name}.md``.", ""]


def _experiment_lines(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    models = [r for r in rows if r["seconds"]]
    lines = _heading(name)
    if not models:
        return [*lines, "Nothing of it could be run.", ""]
    about = models[0]
    lines.append(_about(about))
    if about["status"] == "stand-in":
        lines.append(
            "The drawings are **generated**. What follows shows how the protocols "
            "behave; it neither confirms nor refutes a published number."
        )
    lines.append("")
    for variant in dict.fromkeys(r["variant"] for r in rows):
        mine = [r for r in rows if r["variant"] == variant]
        lines += [f"* {_sentence(variant, mine)}"]
    return [*lines, ""]


def _about(row: Mapping[str, str]) -> str:
    return (
        f"Data: **{row['dataset']}** ({row['status']}), scale {row['scale']}, "
        f"seeds {row['seeds']}."
    )


def _ladder_lines(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return each rung's accuracies after the last epoch, published and ours."""
    about, chance = rows[0], rows[-1]
    lines = [
        *_heading(f"The ladder {name}"),
        _about(about),
        f"Accuracies after the last epoch; chance: {float(chance['ours']):.2f} %.",
    ]
    if about["status"] == "stand-in":
        lines.append(
            "The photographs are **generated**. What follows shows that everything "
            "runs; it neither confirms nor refutes a published number."
        )
    lines.append("")
    last = [row for row in rows if row["epoch"] == "last"]
    for rung in dict.fromkeys(row["rung"] for row in last):
        mine = [row for row in last if row["rung"] == rung]
        told = [_accuracy(row) for row in mine if row["part"] != "train"]
        told += [_accuracy(row) for row in mine if row["part"] == "train"]
        note = f" ({mine[0]['note']})" if mine[0]["note"] else ""
        lines.append(f"* **{mine[0]['label']}**{note}: {'; '.join(told)}.")
    return [*lines, ""]


def _accuracy(row: Mapping[str, str]) -> str:
    """Return one part's accuracy with its interval, and whether it reaches S4's."""
    ours, low, high = (float(row[key]) for key in ("ours", "low", "high"))
    told = f"{row['part']} {ours:.2f} % [{low:.2f}, {high:.2f}]"
    if not row["published"]:
        return told
    word = verdict({**row, "metric": "accuracy", "last": ""})
    if row["scale"] != "paper":
        word += f" (scale {row['scale']})"
    where = row["published_where"]
    return f"{told}, published {float(row['published']):.2f} % ({where}): {word}"


def _sentence(variant: str, rows: Sequence[Mapping[str, str]]) -> str:
    models = [r for r in rows if r["seconds"]]
    if not models:
        return f"**{variant}**: {rows[0]['note']}."
    unit = "MAPE" if rows[0]["metric"] == "mape" else "accuracy"
    published = models[0]["published"]
    told = f"published {published} % ({models[0]['published_where']})"
    parts = [f"**{variant}** ({unit}; {told if published else 'nothing published'})"]
    for row in models:
        sd = f" ± {float(row['sd']):.2f}" if row["sd"] else ""
        kind = "leaks" if row["leaks"] == "yes" else "no leak"
        text = f"{row['protocol']} ({kind}): {float(row['ours']):.2f}{sd} %"
        if row["last"]:
            text += f", after the last fold {float(row['last']):.2f} %"
        if published:
            text += f", {verdict(row)}"
        trivial = best_trivial(row, rows)
        if trivial is not None:
            text += f"; {trivial['model']}: {float(trivial['ours']):.2f} %"
        parts.append(text)
    return ". ".join([*parts, *_worth(models)]) + "."


def _worth(models: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what the leak is worth: mean with it less mean without, in points."""
    means = {row["leaks"]: float(row["ours"]) for row in models}
    if set(means) != {"yes", "no"}:
        return []
    gain = means["yes"] - means["no"]
    if models[0]["metric"] == "mape":
        gain = -gain
    return [f"The leak is worth **{gain:+.1f} points**"]


def verdict(row: Mapping[str, str]) -> str:
    """Return whether a row of a table reaches its published value, in words.

    Reached: as good as published, or within one point of it. Where weights are carried
    from fold to fold, the score after the last one counts, as in S0 4.4.1.
    """
    ours = float(row["last"] or row["ours"])
    published = float(row["published"].split()[-1])
    behind = ours - published if row["metric"] == "mape" else published - ours
    if behind <= 0:
        word = "reached"
    elif behind <= _TOLERANCE:
        word = f"reached to within {_TOLERANCE:.0f} point"
    else:
        word = f"not reached, {behind:.2f} points behind"
    return f"{word} (other data)" if row["status"] != "official" else word


def best_trivial(
    row: Mapping[str, str], rows: Iterable[Mapping[str, str]]
) -> Mapping[str, str] | None:
    """Return the best trivial baseline under the same protocol as `row`.

    The ceiling is none: it says what any of them could reach.
    """
    same = [r for r in rows if r["protocol"] == row["protocol"] and r["ours"]]
    trivial = [r for r in same if not r["seconds"] and r["model"] != "ceiling"]
    if not trivial:
        return None
    choose = min if row["metric"] == "mape" else max
    return choose(trivial, key=lambda r: float(r["ours"]))


def _heading(text: str) -> list[str]:
    return [text, "-" * len(text), ""]


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="CSV files")
    parser.add_argument("--xor", type=Path, help="xor.csv")
    parser.add_argument("--claims", type=Path, nargs="*", default=[], help="CSV files")
    parser.add_argument("--ladders", type=Path, nargs="*", default=[], help="CSV files")
    parser.add_argument("--output", type=Path, required=True, help="written, .rst")
    args = parser.parse_args()
    make_summary(args.tables, args.xor, args.output, args.claims, args.ladders)


if __name__ == "__main__":
    cli.run(main)
