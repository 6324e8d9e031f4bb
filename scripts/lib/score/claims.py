"""What a document says against what the tables say: whether a sentence holds.

A sentence's tests are data (config/claims/): which rows of a table, which column, what
must hold for it. Nothing here knows a sentence, a number of it, or a verdict.
"""

from __future__ import annotations

import fnmatch
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.score.claims_words import filter_text, listed

Row = Mapping[str, str]
Tables = Mapping[str, Sequence[Row]]

ANY = "any"
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
UNDECIDED = "cannot be decided"
# The largest number of the column in the table.
_LAST = "$last"
_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "=": operator.eq,
    "!=": operator.ne,
    "between": lambda value, ends: ends[0] <= value <= ends[1],
}
# By which a row is called, the first that its table has.
_NAMES = (
    ("a", "b"),
    ("way", "pass", "case"),
    ("way", "pass"),
    ("variant", "layer"),
    ("variant",),
    ("rung", "part"),
    ("work",),
    ("side",),
)


@dataclass(frozen=True)
class Finding:
    """What tables say to one sentence.

    holds: None if they do not decide it; because: why, or what speaks against it; ours:
    our values; rows: those that were looked at.
    """

    holds: bool | None
    because: str
    ours: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class _Values:
    """A test's values with their rows, and for each row without one the reason."""

    found: tuple[tuple[Any, Row], ...]
    missing: tuple[str, ...]


def find(
    tests: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    tables: Tables,
    *,
    view: Mapping[str, Any] | None = None,
    outside: Mapping[str, str] | None = None,
) -> Finding:
    """Return whether all tests hold.

    tests: one or several, as claim.schema.yaml describes them; tables: {id: rows of the
    CSV}; view: patterns by column that rows must fit as well; outside: {table: what
    makes it}, for the reason where it is not there. One test that fails is enough to
    refute; else one that is undecided leaves all undecided.
    Raises: ValueError for a column that a table has not.
    """
    several = [tests] if isinstance(tests, Mapping) else tests
    found = [_find(test, tables, view or {}, outside or {}) for test in several]
    states = {finding.holds for finding in found}
    holds = False if False in states else None if None in states else True
    told = dict.fromkeys(f.because for f in found if f.because and f.holds is holds)
    return Finding(
        holds,
        "; ".join(told),
        "; ".join(dict.fromkeys(f.ours for f in found if f.ours)),
        tuple(row for f in found for row in f.rows),
    )


def verdict(
    finding: Finding,
    statuses: set[str],
    scales: set[str],
    *,
    data: str = "alike",
    scale: str = "alike",
) -> tuple[str, str]:
    """Return a sentence's verdict, and why.

    statuses: of the data sets that the rows are of (official, local, stand-in);
    scales: that they were made at; data: what decides: `any` data where the sentence is
    not about drawings, the document's `own` where it is about its collection; by
    default those `alike`; scale: `own` where the sentence is about where training on
    all images ends, which another scale neither bears out nor refutes. Generated data
    decide nothing about a document's, nor does the scale smoke, which only shows that
    everything runs (of `any` data, where none take part: times of tiny works). The
    verdict says if the data are others' or the scale is not the document's.
    """
    if finding.holds is None:
        return UNDECIDED, finding.because
    word = REPRODUCED if finding.holds else NOT_REPRODUCED
    if data == "any" and (statuses or "smoke" not in scales):
        return word, finding.because
    what = "holds" if finding.holds else "does not hold"
    kind = "generated" if "stand-in" in statuses else "others'"
    if "stand-in" in statuses or (data == "own" and statuses != {"official"}):
        return UNDECIDED, f"{kind} data, not the document's; on them it {what}"
    if "smoke" in scales:
        return UNDECIDED, "the scale smoke shows only that everything runs"
    others = [f"scale {name}" for name in sorted(scales - {"paper"})]
    if scale == "own" and others:
        told = " and ".join(others)
        return UNDECIDED, f"{told}, not the document's; there it {what}"
    marks = ([] if statuses == {"official"} else ["other data"]) + others
    return f"{word} ({', '.join(marks)})" if marks else word, finding.because


def _find(
    test: Mapping[str, Any],
    tables: Tables,
    view: Mapping[str, Any],
    outside: Mapping[str, str],
) -> Finding:
    name = test["table"]
    if name not in tables:
        made = outside.get(name)
        because = f"not measured here ({made})" if made else f"this run makes no {name}"
        return Finding(None, because)
    table = tables[name]
    rows = select(table, test["rows"], view, name)
    if not rows:
        wanted = filter_text({**test["rows"], **view})
        return Finding(None, f"{name} has no row of {wanted} at this scale")
    fit = select(rows, test.get("require", {}), {}, name)
    other = test.get("against", {}).get("table", name)
    if other not in tables:
        return Finding(None, f"this run makes no {other}", rows=tuple(rows))
    values = _values(test, tables[other], rows, view)
    ours = _ours(values, test)
    if len(fit) < len(rows):
        first = next(row for row in rows if row not in fit)
        key = next(k for k, w in test["require"].items() if not _fits(first[k], w, ()))
        because = f"{_name(first)}: {key} is {first[key]!r}"
        return Finding(None, because, ours, tuple(rows))
    holds, because = _decide(test, values)
    return Finding(holds, because, ours, tuple(rows))


def select(
    table: Sequence[Row],
    wanted: Mapping[str, Any],
    view: Mapping[str, Any],
    name: str,
) -> list[Row]:
    """Return the rows of a table that fit the patterns of each column.

    A row that says in its note why it was not run fits any view.
    Raises: ValueError for a column that the table has not.
    """
    for key in (*wanted, *view):
        if table and key not in table[0]:
            raise ValueError(
                f"{name}.csv: expected one of the columns {', '.join(table[0])}, "
                f"received {key!r}"
            )
    found = []
    for row in table:
        seen = (
            *((key, want) for key, want in wanted.items()),
            *((key, want) for key, want in view.items() if not _not_run(row, key)),
        )
        if all(_fits(row[key], want, _column(table, key)) for key, want in seen):
            found.append(row)
    return found


def _not_run(row: Row, key: str) -> bool:
    return not row[key] and bool(row.get("note"))


def _column(table: Sequence[Row], key: str) -> Iterator[str]:
    return (row[key] for row in table)


def _fits(cell: str, wanted: str | Sequence[str], column: Iterator[str]) -> bool:
    for pattern in listed(wanted):
        if pattern == _LAST:
            pattern = max(filter(None, column), key=float, default="")
        if fnmatch.fnmatchcase(cell, pattern):
            return True
    return False


def _values(
    test: Mapping[str, Any],
    other_table: Sequence[Row],
    rows: Sequence[Row],
    view: Mapping[str, Any],
) -> _Values:
    """Return the values that must hold, one for each row."""
    read = str if isinstance(test["value"], str) else float
    against = test.get("against")
    others = _others(test, other_table, view) if against else {}
    found, missing = [], []
    for row in rows:
        cell = _cell(row, test["column"], test["table"])
        if not all(row[key] for key in test.get("ends", ())):
            cell = ""
        if not cell or cell in listed(test.get("undecided", ())):
            why = cell or row.get("note", "").removeprefix("not run: ") or "no value"
            missing.append(f"{_name(row)}: {why}")
            continue
        value = read(cell)
        if "ends" in test and len({_holds(test, end) for end in _ends(test, row)}) > 1:
            low, high = map(_shown, _ends(test, row))
            missing.append(f"{_name(row)}: {low} … {high} leaves it open")
        elif against:
            other = others.get(_key(row, against["by"]))
            if not other:
                missing.append(f"{_name(row)}: nothing to compare it with")
                continue
            found += [(_measured(value, float(o), against, row), row) for o in other]
        else:
            found.append((value, row))
    return _Values(tuple(found), tuple(missing))


def _others(
    test: Mapping[str, Any], table: Sequence[Row], view: Mapping[str, Any]
) -> dict[tuple[str, ...], list[str]]:
    """Return the values that rows are measured by, by their columns in common."""
    against = test["against"]
    wanted, name = (
        against.get("rows", test["rows"]),
        against.get("table", test["table"]),
    )
    found: dict[tuple[str, ...], list[str]] = {}
    for row in select(table, wanted, view, name):
        cell = _cell(row, against.get("column", test["column"]), name)
        if cell:
            found.setdefault(_key(row, against["by"]), []).append(cell)
    return found


def _measured(
    value: float, other: float, against: Mapping[str, Any], row: Row
) -> float:
    if against["as"] == "ratio":
        return value / other if other else float("inf")
    if against["as"] == "difference":
        return value - other
    lower_is_better = (row.get("metric") or row["score_metric"]) == "mape"
    return other - value if lower_is_better else value - other


def _ends(test: Mapping[str, Any], row: Row) -> list[float]:
    """Return the ends of a row's interval; both must say the same."""
    return [float(row[key]) for key in test["ends"]]


def _key(row: Row, by: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[key] for key in by)


def _cell(row: Row, column: str | Sequence[str], name: str) -> str:
    columns = listed(column)
    unknown = [key for key in columns if key not in row]
    if unknown:
        raise ValueError(
            f"{name}.csv: expected one of the columns {', '.join(row)}, received "
            f"{unknown[0]!r}"
        )
    return next((row[key] for key in columns if row[key]), "")


def _decide(test: Mapping[str, Any], values: _Values) -> tuple[bool | None, str]:
    """Return whether a test holds, and what speaks against or hinders it."""
    over = test.get("over", "each")
    count, total = len(values.found), len(values.found) + len(values.missing)
    wanted = test.get("rows_at_least", 1)
    complete = total >= wanted and not values.missing
    if over in ("least", "greatest", "spread"):
        if not complete:
            return None, _open(values, wanted)
        number = _one(over, [value for value, _ in values.found])
        return _holds(test, number), f"{over}: {_shown(number)}"
    wrong = [(value, row) for value, row in values.found if not _holds(test, value)]
    right = count - len(wrong)
    if over == "most":
        if 2 * len(wrong) >= total:
            return False, f"not so in {len(wrong)} of {total}"
        if 2 * right > total >= wanted:
            return True, f"in {right} of {total}"
        return None, _open(values, wanted)
    if wrong:
        value, row = wrong[0]
        such = f"such as {_name(row)}: {_shown(value)}"
        return False, f"not so in {len(wrong)} of {count}, {such}" if count > 1 else ""
    if not complete:
        return None, _open(values, wanted)
    return True, f"in {count} of {count}" if count > 1 else ""


def _open(values: _Values, wanted: int) -> str:
    """Return what hinders a decision."""
    total = len(values.found) + len(values.missing)
    if not values.missing:
        return f"{total} of {wanted} rows are there"
    if total == 1:
        return values.missing[0]
    return f"{len(values.missing)} of {total} say nothing, such as {values.missing[0]}"


def _one(over: str, values: Sequence[float]) -> float:
    if over == "spread":
        return max(values) - min(values)
    return min(values) if over == "least" else max(values)


def _holds(test: Mapping[str, Any], value: Any) -> bool:
    relation, wanted = test["relation"], test["value"]
    tolerance = test.get("tolerance", 0)
    if tolerance:
        wanted = wanted + (tolerance if relation in ("<=", "<") else -tolerance)
    return _RELATIONS[relation](value, wanted)


def _ours(values: _Values, test: Mapping[str, Any]) -> str:
    """Return our values as a person reads them: one with its interval, or the range."""
    found = [value for value, _ in values.found]
    if not found:
        return ""
    if isinstance(found[0], str):
        counts = Counter(found)
        return ", ".join(f"{number} × {text}" for text, number in counts.items())
    if len(found) == 1:
        return _shown(found[0]) + _spread(*values.found[0], test)
    return f"{_shown(min(found))} … {_shown(max(found))} ({len(found)})"


def _spread(value: float, row: Row, test: Mapping[str, Any]) -> str:
    """Return the interval and n of a value that is a row's own, where it has them."""
    ends = test.get("ends", ("low", "high"))
    own = "against" not in test and ("ends" in test or value == _number(row, "ours"))
    if not own or not all(row.get(key) for key in ends):
        return ""
    low, high = (_shown(float(row[key])) for key in ends)
    return f" [{low} … {high}]" + (f", n {row['n']}" if row.get("n") else "")


def _number(row: Row, key: str) -> float | None:
    return float(row[key]) if row.get(key) else None


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _name(row: Row) -> str:
    keys = next((keys for keys in _NAMES if all(row.get(k) for k in keys)), ())
    return " / ".join(row[key] for key in keys) or "row"
