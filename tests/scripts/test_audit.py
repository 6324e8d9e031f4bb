"""The leak audit: what it counts, what it names, and what it refuses."""

import csv
import json
from types import SimpleNamespace

import cv2
import jsonschema
import numpy as np
import pytest
import yaml

from scripts.audit import make_audit
from scripts.audit_table import COLUMNS, make_table
from scripts.augment import make_copies
from scripts.figures import make_duplicates
from scripts.lib.data.generators import drawings, person
from scripts.lib.figures import pair_sheet
from scripts.lib.io.files import read_json, write_json, write_npz
from scripts.lib.io.schema import read_yaml
from scripts.lib.leak import grey_features, row_matches, turned_matches
from scripts.lib.leak.audit import AuditError
from scripts.lib.leak.seen_rows import Rows, Side, read_rows, sides_of
from scripts.lib.split.protocols import SplitError, load_folds
from tests.conftest import ROOT
from tests.scripts.conftest import CONFIG

KEYS = ("unit", "leaks", "weights", "reported")


def _protocol(name, **changed):
    config = yaml.safe_load((CONFIG / f"protocols/{name}.yaml").read_text("utf-8"))
    return {**{key: config[key] for key in KEYS}, **changed}


def _audit(small, out, name, *, augmented=None, folds=None, **changed):
    make_audit(
        SimpleNamespace(
            augmented=augmented or small.augmented,
            labels=small.labels,
            folds=folds or getattr(small, name.replace("-", "_")),
            protocol_json=json.dumps(_protocol(name, **changed)),
            output=out,
        )
    )
    return read_json(out)


@pytest.fixture(scope="module")
def twins(small, tmp_path_factory):
    """The small data set, but drawing 5 again as another child's drawing 8.

    Returns a function: noise -> the augmented set, drawing 8 with noise on it.
    """
    folder = tmp_path_factory.mktemp("twins")

    def make(noise):
        with np.load(small.images) as file:
            images, ids = file["images"].copy(), file["ids"]
        rng = np.random.default_rng(1)
        images[8] = np.clip(images[5] + rng.normal(0, noise, (58, 36)), 0, 255)
        path = folder / f"images{noise}.npz"
        write_npz(path, images=images, ids=ids)
        out = folder / "ignet.npz"
        recipe = CONFIG / "augmentations/ignet.yaml"
        make_copies(path, small.labels, recipe, "smoke", 0, out)
        return out

    return make


def _apart(small, path):
    """Write folds of the unit drawing in which drawings 5 and 8 are on two sides."""
    document = read_json(small.by_child)
    names = [row["sample"] for row in small.rows]
    rest = [n for n in names if n not in (names[5], names[8])]
    fold = {
        "train": [names[5], *rest[:10]],
        "validation": rest[10:16],
        "test": [names[8], *rest[16:]],
    }
    write_json(path, {**document, "grouped_by": "drawing", "folds": [fold]})
    return path, names


def test_by_child_is_clean(small, tmp_path):
    found = _audit(small, tmp_path / "a.json", "by-child")
    assert found["level"] == "clean"
    assert (found["rows"], found["drawings"], found["children"]) == (72, 24, 12)
    assert [(s["fold"], s["part"]) for s in found["scored"]] == [
        (0, "validation"),
        (0, "test"),
        (1, "validation"),
        (1, "test"),
    ]
    for side in found["scored"]:
        for key in ("same_row", "same_drawing", "same_child", "identical_other"):
            assert side[key] == 0
    again = tmp_path / "again.json"
    _audit(small, again, "by-child")
    assert again.read_bytes() == (tmp_path / "a.json").read_bytes()


def test_counts_are_those_of_the_ids(small, tmp_path):
    found = _audit(small, tmp_path / "a.json", "paper")
    assert found["level"] == "leaks by design"
    child = {row["sample"]: row["group"] for row in small.rows}
    learned = set()
    sides = iter(found["scored"])
    for fold in read_json(small.paper)["folds"]:
        learned |= set(fold["train"])  # weights are carried over
        for part, seen in (
            ("validation", learned),
            ("test", learned | set(fold["validation"])),
        ):
            side, ids = next(sides), fold[part]
            drawings = {name.split("#")[0] for name in seen}
            children = {child[name] for name in drawings}
            parents = [name.split("#")[0] for name in ids]
            assert (side["rows"], side["seen"]) == (len(ids), len(seen))
            assert side["same_row"] == sum(name in seen for name in ids)
            assert side["same_drawing"] == sum(p in drawings for p in parents) > 0
            assert side["same_child"] == sum(child[p] in children for p in parents)
    assert side["same_row"] == side["rows"], "the last fold's were learned before"
    fresh = _audit(small, tmp_path / "b.json", "paper", weights="fresh")
    assert {side["same_row"] for side in fresh["scored"]} == {0}


def test_nearest_rows_are_those_of_a_plain_comparison(small):
    rows = read_rows(small.augmented)
    mean = rows.images[rows.copies == 0].mean(axis=0)
    looks = grey_features.looks_of(rows.images, mean)
    for path, carried in ((small.paper, True), (small.by_child, False)):
        folds = load_folds(path, small.labels)
        sides = list(sides_of(folds, rows, carried=carried))
        near = row_matches.nearest(looks.pixels, rows.drawings, sides)
        correlation = looks.correlations(looks)
        for side, found in zip(sides, near, strict=True):
            seen = np.flatnonzero(side.seen)
            for at, row in enumerate(side.asked):
                other = seen[rows.drawings[seen] != rows.drawings[row]]
                assert found.any[at] == pytest.approx(correlation[row, seen].max())
                assert found.other[at] == pytest.approx(correlation[row, other].max())


def test_blocks_change_nothing(small, tmp_path, monkeypatch):
    whole = _audit(small, tmp_path / "a.json", "paper")
    # Many copies of many pairs of these drawings are close: ten pairs are named.
    assert len(whole["near_duplicates"]["pairs"]) == 10
    monkeypatch.setattr(grey_features, "_CELLS", 100)
    assert _audit(small, tmp_path / "b.json", "paper") == whole


def test_a_child_on_two_sides_fails_and_is_named(small, tmp_path):
    document = read_json(small.by_child)
    fold = document["folds"][1]
    moved = fold["test"].pop()
    fold["train"].append(moved)
    edited, out = tmp_path / "by-child.json", tmp_path / "out.json"
    write_json(edited, document)
    child = next(row["group"] for row in small.rows if row["sample"] == moved)
    with pytest.raises(SplitError, match=f"fold 1: the child '{child}' is on two"):
        _audit(small, out, "by-child", folds=edited)
    # A file that also claims to be dealt by drawings is refused for what it holds.
    write_json(edited, {**document, "grouped_by": "drawing"})
    text = (
        "FAIL: the protocol by-child says leaks: false, unit: child.* fold 1, test: "
        f"1 rows are of a child that was seen before: .*{child}.*{child}.*make the "
        "folds anew"
    )
    with pytest.raises(AuditError, match=text):
        _audit(small, out, "by-child", folds=edited)
    assert not out.exists()
    # Under a protocol that deals drawings, it may be so; and is told.
    found = _audit(small, out, "by-child", folds=edited, unit="drawing")
    assert found["level"] == "clean"
    assert sum(side["same_child"] for side in found["scored"]) == 1


def test_rows_that_are_dealt_fail_where_nothing_may_leak(small, tmp_path):
    text = (
        r"paper says leaks: false, unit: row.* rows are of a drawing .*, and \d+ more"
    )
    with pytest.raises(AuditError, match=text):
        _audit(small, tmp_path / "a.json", "paper", leaks=False)


def test_one_picture_under_two_children_fails_and_is_named(small, twins, tmp_path):
    folds, names = _apart(small, tmp_path / "folds.json")
    given = {"augmented": twins(0), "folds": folds, "unit": "drawing"}
    text = (
        f"fold 0, test: 1 rows agree in every pixel .*: {names[8]}#0 "
        rf"\(child p1-4\) and {names[5]}#0 \(child p1-2\).*leave one of the two out"
    )
    with pytest.raises(AuditError, match=text):
        _audit(small, tmp_path / "a.json", "by-child", **given)
    assert not (tmp_path / "a.json").exists()
    # A protocol that may leak is not stopped, but told of it.
    found = _audit(small, tmp_path / "a.json", "by-child", **given, leaks=True)
    assert [side["identical_other"] for side in found["scored"]] == [0, 1]


def test_a_near_duplicate_is_a_warning_with_its_names(small, twins, tmp_path, capsys):
    folds, names = _apart(small, tmp_path / "folds.json")
    given = {"augmented": twins(8), "folds": folds, "unit": "drawing"}
    found = _audit(small, tmp_path / "a.json", "by-child", **given)
    assert found["level"] == "clean"
    pairs = found["near_duplicates"]["pairs"]
    first = pairs[0]
    assert (first["scored"], first["seen"]) == (f"{names[8]}#0", f"{names[5]}#0")
    assert first["children"] == ["p1-4", "p1-2"]
    assert first["correlation"] > 0.95
    drawings = [frozenset((p["scored"][:-2], p["seen"][:-2])) for p in pairs]
    assert len(drawings) == len(set(drawings)), "a pair of drawings is named once"
    told = capsys.readouterr().err
    assert told.startswith("warning: by-child: drawings on two sides that look alike")
    assert f"{names[8]}#0 and {names[5]}#0 (correlation 0.9" in told
    taken = found["near_duplicates"]["taken_for_copies"]
    assert taken["correlation"] >= 1
    assert found["near_duplicates"]["pairs_of_different_children"] == 12 * 11 * 2
    side = found["scored"][1]
    assert side["correlation"]["other"] >= 1
    assert side["correlation"]["closest_other"] == first["correlation"]


@pytest.fixture(scope="module")
def table(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    files = []
    for name in ("by-child", "paper"):
        _audit(small, folder / f"{name}.json", name)
        files.append(folder / f"{name}.json")
    source = folder / "source.json"
    about = {"dataset": "stirling", "title": "Generated", "status": "stand-in"}
    write_json(source, about)
    make_table(files, [source], "smoke", folder / "leak_audit")
    return folder


def test_the_table_has_the_columns_of_its_schema(table):
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    with open(table / "leak_audit.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert schema["$defs"]["leak_audit"]["required"] == list(COLUMNS)
    check = jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/leak_audit"})
    assert [error for row in rows for error in check.iter_errors(row)] == []
    assert [(row["protocol"], row["part"]) for row in rows] == [
        ("by-child", "validation"),
        ("by-child", "test"),
        ("paper", "validation"),
        ("paper", "test"),
    ]
    assert [row["reported"] for row in rows] == ["no", "yes", "yes", "no"]
    # Of two folds none and all of the rows were learned before.
    assert (rows[3]["same_row"], rows[3]["same_row_worst"]) == ("50.0", "100.0")


def test_the_table_says_what_leaks_by_design(table):
    text = (table / "leak_audit.md").read_text("utf-8")
    leaks, clean = text.split("\n\n")[-1].splitlines()[:2]
    assert leaks.startswith("- LEAKS BY DESIGN, as its file says; of the rows")
    assert leaks.endswith("paper (stirling, ignet).")
    assert clean.startswith("- Clean by child; of the rows that are reported (test)")
    assert clean.endswith("by-child (stirling, ignet).")
    assert "Scale: smoke" in text
    assert "generated drawings, no children's" in text
    assert "near-duplicate means correlation >= 0.9, or at most 6 bits" in text
    assert (table / "leak_audit.tex").read_text("utf-8").startswith(r"\begin{table}")


def test_the_closest_pairs_are_drawn(small, twins, tmp_path):
    with np.load(twins(8).with_name("images8.npz")) as file:
        images = file["images"]
    children = [row["group"] for row in small.rows]
    headings = dict(pair_sheet.closest_pairs(images, children))
    assert len(headings) == 3
    for heading, pairs in headings.items():
        for pair in pairs:
            apart = children[pair.one] != children[pair.other]
            assert apart == heading.startswith("By different children")
    first = headings["By different children, closest by their pixels"][0]
    assert (first.one, first.other, first.near) == (5, 8, True)
    source = tmp_path / "source.json"
    write_json(source, {"dataset": "mine", "status": "stand-in"})
    args = {"labels": small.labels, "images": small.images, "source": source}
    for name in ("a.png", "b.png"):
        make_duplicates(SimpleNamespace(**args, output=tmp_path / name))
    png = (tmp_path / "a.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert png == (tmp_path / "b.png").read_bytes()


def test_one_drawing_by_each_child_leaves_out_a_list():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 58, 36)).astype(np.uint8)
    found = pair_sheet.closest_pairs(images, ["a", "b", "c"])
    assert [len(pairs) for _, pairs in found] == [3, 3]
    assert all(heading.startswith("By different") for heading, _ in found)


@pytest.fixture(scope="module")
def figures():
    """24 generated drawings, whole sheets."""
    made = drawings.make_drawings(drawings=24, children=24, seed=3)
    pages = [np.frombuffer(person.encode(drawing), np.uint8) for drawing in made]
    return [cv2.imdecode(page, cv2.IMREAD_GRAYSCALE) for page in pages]


TWINS = {
    "turned by 90°": lambda page: cv2.rotate(page, cv2.ROTATE_90_COUNTERCLOCKWISE),
    "turned by 180°": lambda page: cv2.rotate(page, cv2.ROTATE_180),
    "turned by 270°": lambda page: cv2.rotate(page, cv2.ROTATE_90_CLOCKWISE),
    "mirrored": lambda page: page[:, ::-1],
    "mirrored, turned by 90°": lambda page: cv2.transpose(page),
    "mirrored, turned by 180°": lambda page: page[::-1],
    "mirrored, turned by 270°": lambda page: cv2.transpose(page)[::-1, ::-1],
    "cropped by up to 5 %": lambda page: _cut(page, 0.05),
    "cropped by up to 10 %": lambda page: _cut(page, 0.1),
    "turned by 180°, cropped by up to 5 %": lambda page: _cut(page[::-1, ::-1], 0.05),
}


def _cut(page, portion):
    y, x = (round(portion * size) for size in page.shape)
    return page[y:-y, x:-x]


def test_twins_are_found_turned_and_cropped(figures):
    """Of eight drawings each by one child, a twin by another, on the other side."""
    images = [_shrunk(page) for page in figures[:20]]
    for view, change in TWINS.items():
        pages = [np.ascontiguousarray(change(page)) for page in figures[:8]]
        twins = [_saved_again(page) for page in pages]
        found = turned_matches.list_turned(*_two_sides(images, twins))
        pairs = {(pair["scored"], pair["seen"]) for pair in found}
        assert pairs <= {(f"twin{i}", str(i)) for i in range(8)}, view
        # One is so symmetric that it is alike unturned, and found so.
        assert len(pairs) >= 7, view
        # What makes the twin of the drawing makes the drawing of the twin backwards.
        assert {pair["view"].split("turned")[0] for pair in found} == {
            view.split("turned")[0]
        }


def test_other_drawings_are_not_alike_however_they_are_turned(figures):
    images = [_shrunk(page) for page in figures]
    assert turned_matches.list_turned(*_two_sides(images[:16], images[16:])) == []


def _shrunk(page):
    return cv2.resize(page, (36, 58), interpolation=cv2.INTER_AREA)


def _saved_again(page):
    data = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return _shrunk(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _two_sides(seen, scored):
    n, m = len(seen), len(scored)
    names = [*map(str, range(n)), *(f"twin{i}" for i in range(m))]
    numbers = np.arange(n + m)
    rows = Rows(
        names, names, names, 0 * numbers, np.array([*seen, *scored]), *[numbers] * 3
    )
    return rows, [Side(0, "test", numbers[n:], numbers < n)]


def test_a_turned_twin_is_a_warning_with_its_names(small, tmp_path, capsys):
    folds, names = _apart(small, tmp_path / "folds.json")
    with np.load(small.images) as file:
        images, ids = file["images"].copy(), file["ids"]
    images[8] = images[5][::-1, ::-1]
    write_npz(tmp_path / "images.npz", images=images, ids=ids)
    recipe, augmented = CONFIG / "augmentations/ignet.yaml", tmp_path / "ignet.npz"
    make_copies(tmp_path / "images.npz", small.labels, recipe, "smoke", 0, augmented)
    given = {"augmented": augmented, "folds": folds, "unit": "drawing"}
    found = _audit(small, tmp_path / "a.json", "by-child", **given)
    pair = found["near_duplicates"]["turned"][0]
    assert (pair["scored"], pair["seen"]) == (names[8], names[5])
    told = f"{names[8]} and {names[5]} (correlation 1.00, turned by 180°)"
    assert told in capsys.readouterr().err
    source = tmp_path / "source.json"
    write_json(source, {"dataset": "stirling", "title": "T", "status": "local"})
    make_table([tmp_path / "a.json"], [source], "smoke", tmp_path / "leak_audit")
    told = f"{names[8]} and {names[5]} (turned by 180°)"
    assert told in (tmp_path / "leak_audit.md").read_text("utf-8")
    found = _audit(small, tmp_path / "b.json", "by-child", **given, leaks=True)
    assert found["near_duplicates"]["turned"] == []
