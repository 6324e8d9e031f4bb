"""The choice of lanes, and what is kept of trials; faults: tests/reliability."""

from __future__ import annotations

import pytest

from engine.health import verdicts
from engine.health.trial import best_lanes


@pytest.mark.parametrize(
    "speeds, lanes",
    [
        ({8: 50.0}, 8),
        ({8: 50.0, 16: 50.0}, 8),
        ({8: 50.0, 16: 75.0}, 8),
        ({8: 50.0, 16: 75.1}, 16),
        ({8: 50.0, 16: 100.0}, 16),
    ],
)
def test_16_lanes_where_they_are_half_as_fast_again(speeds, lanes):
    assert best_lanes(speeds) == lanes


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "3", "[1]", "[[]]", '{"a": 1}', '[{"number": 3}]', '[{"a": []}]'],
)
def test_what_is_no_list_of_verdicts_is_not_read(content, tmp_path):
    (tmp_path / "file").write_text(content)
    assert verdicts._read(tmp_path / "file") is None


def test_to_forget_removes_verdicts_and_links_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache/ignetlab"
    (folder / "intel-1").mkdir(parents=True)
    (tmp_path / "library").write_text("")
    (folder / "intel-1/library").symlink_to(tmp_path / "library")
    (folder / "health-1.json").write_text("[]")
    (folder / "tiles-1.json").write_text("{}")
    verdicts.forget()
    assert [path.name for path in folder.iterdir()] == ["tiles-1.json"]
    assert (tmp_path / "library").exists()
