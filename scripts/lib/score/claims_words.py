"""What a claim's test asks for, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def describe(test: Mapping[str, Any]) -> str:
    """Return in words what must hold."""
    columns = " or ".join(listed(test["column"]))
    if "ends" in test:
        columns += f" and its interval, {' … '.join(test['ends'])},"
    words = [f"{test['table']}.csv:", columns]
    if "against" in test:
        against = test["against"]
        other = filter_text(against.get("rows", {}))
        column = against.get("column", "")
        measure = " of ".join(
            filter(None, (column or "that", against.get("table"), other))
        )
        words.append(f"({against['as']} to {measure})")
    if test["rows"]:
        words.append(f"of {filter_text(test['rows'])}:")
    words += [test.get("over", "each"), _relation_text(test)]
    if "rows_at_least" in test:
        words.append(f"of at least {test['rows_at_least']}")
    return " ".join(words)


def filter_text(rows: Mapping[str, Any]) -> str:
    """Return in words which rows are meant."""
    return ", ".join(
        f"{key} {' or '.join(listed(wanted))}" for key, wanted in rows.items()
    )


def _relation_text(test: Mapping[str, Any]) -> str:
    value = test["value"]
    if test["relation"] == "between":
        return f"{value[0]} to {value[1]}"
    tolerance = f" within {test['tolerance']}" if test.get("tolerance") else ""
    return f"{test['relation']} {value}{tolerance}"


def listed(value: str | Sequence[str]) -> Sequence[str]:
    """Return one or several as several."""
    return [value] if isinstance(value, str) else value
