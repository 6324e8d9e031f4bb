"""Damaged tables: labels, predictions, histories, folds, and files of pictures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from scripts.lib.data import image_arrays, labels, labels_csv
from scripts.lib.io import files, tables
from scripts.lib.split import protocols
from scripts.lib.split.samples import read_targets
from tests.reliability.fuzz.harness import Case, fuzz
from tests.reliability.fuzz.mutate import INTEGERS, TEXTS, damaged, damaged_tree
from tests.reliability.fuzz.test_fuzz_checkpoints import damaged_npz

pytestmark = pytest.mark.reliability

LABELS = "file,child,age_months,hand\n" + "".join(
    f"{i}.jpg,c{i // 2},{60 + i},left\n" for i in range(8)
)
OURS = "sample,file,group,hand,age_years,age_months\n" + "".join(
    f"{i},{i}.jpg,c{i // 2},left,5,{60 + i}\n" for i in range(8)
)
HISTORY = "pass,training_loss,validation_loss\n1,0.5,\n2,1e-3,nan\n"
CONFIG = {
    "factors": ["hand", "age_years", "age_months"],
    "columns": {"hand": "hand"},
    "require": ["hand"],
    "exclude": {"7": "torn"},
}


def damaged_csv(rng, text: str) -> bytes:
    """Damage the bytes, or the fields, properly quoted or not."""
    if rng.random() < 0.4:
        return damaged(rng, text.encode(), [HISTORY.encode(), OURS.encode()])
    rows = damaged_tree(rng, list(csv.reader(io.StringIO(text))))
    rows = [row if isinstance(row, list) else [row] for row in rows]
    written = io.StringIO(newline="")
    csv.writer(
        written, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    ).writerows(rows)
    content = written.getvalue().encode("utf-8", "surrogatepass")
    return damaged(rng, content, most=1) if rng.random() < 0.2 else content


def test_labels_csv(tmp_path):
    images = [f"{i}.jpg" for i in range(8)]

    def attempt(case: Case):
        case.write("labels.csv", damaged_csv(case.rng, LABELS))
        found = labels_csv.from_csv(case.folder, images, CONFIG, str(case.folder))
        for row in found.rows:
            assert row["file"] in images and 0 < row["age_months"] <= 1200
        case.names.append(str(case.folder))
        labels.check(found, str(case.folder))
        columns = ("sample", "file", labels.GROUP, *found.factors, *labels.AGE_COLUMNS)
        files.write_csv(case.folder / "out.csv", columns, found.rows)
        files.write_csv(
            case.folder / "bad.csv", ("file", "kind", "reason"), found.rejected
        )
        assert len(tables.read(case.folder / "out.csv")) == len(found.rows)

    fuzz("labels_csv", tmp_path, attempt)


def test_tables(tmp_path):
    def attempt(case: Case):
        kind = case.rng.randrange(3)
        path = case.write(
            "t.csv", damaged_csv(case.rng, HISTORY if kind == 0 else OURS)
        )
        if kind == 0:
            rows = tables.read(path, ("pass",))
            assert all(set(row) == set(rows[0]) for row in rows)
        elif kind == 1:
            protocols.read_children(path)
        else:
            read_targets(path, ["hand", "age_months"])

    fuzz("tables", tmp_path, attempt)


def test_folds(tmp_path):
    def attempt(case: Case):
        rng = case.rng
        path = case.folder / "labels.csv"
        path.write_text(OURS)
        row = rng.random() < 0.5
        ids = (
            [f"{i}#{k}" for i in range(8) for k in range(2)]
            if row
            else list("01234567")
        )
        third = len(ids) // 4 * 2
        folds = [{"train": ids[:third], "validation": [], "test": []}]
        folds[0]["validation"], folds[0]["test"] = ids[third:-2], ids[-2:]
        document = {
            "dataset": "d",
            "protocol": "p",
            "unit": "row" if row else "drawing",
            "grouped_by": "row" if row else rng.choice(["drawing", "child"]),
            "seed": 0,
            "stratified_by": "hand",
            "augmentation": "ignet" if row else None,
            "copies": 2 if row else None,
            "labels_sha256": files.sha256_of(path),
            "samples_sha256": "",
            "folds": folds,
        }
        if rng.random() < 0.8:
            content = json.dumps(damaged_tree(rng, document)).encode()
        else:
            content = damaged(rng, json.dumps(document).encode())
        read = protocols.load_folds(case.write("folds.json", content), path)
        assert read.folds

    fuzz("folds", tmp_path, attempt)


def test_json(tmp_path):
    good = json.dumps({"a": [1, 2.5, None, "x"], "b": {"c": True}}, indent=1).encode()

    def attempt(case: Case):
        content = damaged(case.rng, good)
        if case.rng.random() < 0.1:
            content = case.rng.choice(
                [
                    b"[" * 100_000,
                    b'{"a":' * 100_000,
                    b"9" * 10_000,
                    b"\xff\xfe{\x00}\x00",
                ]
            )
        files.read_json(case.write("source.json", content))

    fuzz("json", tmp_path, attempt)


def test_pictures(tmp_path):
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        images=np.zeros((4, 5, 6), np.uint8),
        ids=np.array(list("abcd")),
        copy=np.zeros(4, np.int64),
        parent=np.array(list("abcd")),
        child=np.array(list("aabb")),
    )

    def attempt(case: Case):
        rng = case.rng
        data = damaged_npz(rng, packed.getvalue())
        if rng.random() < 0.3:
            data = other_arrays(rng)
        path = case.write("images.npz", data)
        kind = rng.randrange(4)
        if kind == 0:
            images, ids = image_arrays.read_images(path)
            assert images.dtype == np.uint8 and len(images) == len(ids)
        elif kind == 1:
            assert all(isinstance(name, str) for name in image_arrays.read_ids(path))
        else:
            rows = image_arrays.read_rows(
                path, image_arrays.COPIES if kind == 2 else ()
            )
            assert {len(column) for column in rows.values()} == {len(rows["images"])}

    fuzz("pictures", tmp_path, attempt)


def other_arrays(rng) -> bytes:
    """Return an .npz of arrays that are whole, but of another kind."""
    packed = io.BytesIO()
    kinds = ["u1", "i8", "f4", "U3", "?"]
    shapes = [(), (4,), (4, 5, 6), (0, 5, 6), (4, 0, 6), (4, 1, 5, 6), (3,), (2, 2)]
    names = ("images", "ids", "copy", "parent", "child", rng.choice(TEXTS[20:24]))
    arrays = {}
    for name in names[: rng.randint(1, 6)]:
        array = np.zeros(rng.choice(shapes), rng.choice(kinds))
        if array.size and array.dtype.kind in "iu":
            array.flat[0] = rng.choice(INTEGERS) % 127
        arrays[name] = array
    np.savez(packed, **arrays)
    return packed.getvalue()
