"""Hostile names: of files, children, factors, classes; through real steps and shells.

Nothing may be written outside the folder of the results, and nothing run.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

from scripts.audit import make_audit
from scripts.augment import make_copies
from scripts.folds import make_folds
from scripts.images import make_images
from scripts.labels import make_labels
from scripts.lib.data import image_arrays, labels
from scripts.lib.io import tables
from tests.reliability.fuzz.harness import ROOT, Case, fuzz
from tests.reliability.fuzz.mutate import TEXTS
from tests.workflow.conftest import Project, copy_project

pytestmark = pytest.mark.reliability

CONFIG = ROOT / "config"
# Names of files below a folder of drawings, as bytes; each gets .png behind it.
STEMS = (
    *(b"plain", b"with blank", b" ahead", b"tab\there", b"new\nline", b"cr\rhere"),
    *(b"'single'", b'"double"', b"back\\slash", b"a;touch pwned", b"$(touch pwned)"),
    *(b"`touch pwned`", b"|touch pwned", b"&touch pwned&", b">pwned", b"<pwned"),
    *(b"{wildcard}", b"{input}", b"{{0}}", b"{0", b"%s%n", b"$HOME", b"~root", b"*"),
    *(b"?", b"[a]", b"!x", b"#x", b"-rf", b"--help", b"-", b"a,b", b"a|b", b"=1+1"),
    *(b"...", b"a.b.c", b"..x", b"a..", b"CON", b"nul", b"x" * 251, b"\x01\x7f"),
    *(b"\xff\xfe", b"latin\xe9", b"half\xc3", b"\xed\xa0\x80", b"Case", b"case"),
    *(s.encode() for s in ("é", "e\u0301", "日本語", "🖍️", "\u202egnp", "\u200b", "ﬁ")),
    *(
        s.encode()
        for s in ("ÅNGSTRÖM", "İ", "ß", "\u2028", "\ufeff", "½", "١٢٣", "a\u0085b")
    ),
    *(
        b"p1-3m-5.2f",
        b"p1-3M-5.02F copy",
        b"nu-1w-6.7m",
        b"p9-1w-6.7m",
        b"p1-1w-99.11m",
    ),
)
FOLDERS = (b"", b"", b"", b"sub dir/", b"..x/", b"-o/", b"\xff/", b"a\nb/", b"{d}/")
GRAMMAR = ("nu", "p1", "p7", "-", "67", "w", "m", "s", "6", ".", "7", "f", ".png", " ")


def tree(folder: Path) -> dict[str, str]:
    """Return a hash of each file below a folder, links and folders by their kind."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            content = b"folder"
            if os.path.islink(path):
                content = b"link"
            elif os.path.isfile(path):
                content = Path(os.fsdecode(path)).read_bytes()
            found[os.fsdecode(path)] = hashlib.sha256(content).hexdigest()
    return found


def draw(folder: Path, name: bytes, shade: int) -> bool:
    """Write a small drawing under a name; return False where the system refuses it."""
    path = os.path.join(os.fsencode(folder), name)
    picture = np.full((12, 10), 250, np.uint8)
    picture[: shade % 11 + 1, : shade % 7 + 1] = 255 - shade % 200
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(cv2.imencode(".png", picture)[1].tobytes())
    except OSError:
        return False
    return True


def test_names(tmp_path):
    good = "p3-67w-6.7f.jpeg"

    def attempt(case: Case):
        rng = case.rng
        kind = rng.randrange(3)
        if kind == 0:
            name = "".join(rng.choice(GRAMMAR) for _ in range(rng.randrange(20)))
        elif kind == 1:
            at = rng.randrange(len(good))
            name = good[:at] + rng.choice(TEXTS) + good[at + rng.randrange(3) :]
        else:
            name = good * rng.choice([2, 100]) + rng.choice(TEXTS) * rng.choice(
                [1, 500]
            )
        row = labels.parse_name(name)
        assert 0 < row["age_months"] < 1200
        # The sample names files of tables and figures.
        assert set(row["sample"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")

    fuzz("names", tmp_path, attempt)


def write_data(case: Case, folder: Path, config: Path) -> list[str]:
    """Lay out a data set of hostile names; return those that a table can hold."""
    rng, drawn = case.rng, []
    for shade, stem in enumerate(rng.sample(STEMS, 14)):
        name = rng.choice(FOLDERS) + stem + rng.choice([b".png", b".PNG", b".jpg"])
        if draw(folder, name, 9 * shade):
            drawn.append(name)
    texts = [name.decode() for name in drawn if is_text(name)]
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "child", "age_months", "hand"])
        children = [rng.choice(TEXTS[5:30]).strip() or "c" for _ in texts]
        children = [child.replace("\ud800", "?") for child in children]
        for i, name in enumerate(texts):
            hand = "left" if i % 2 else rng.choice(TEXTS[5:20])
            writer.writerow([name, f"{children[i]}{i // 2}", 60 + i % 3, hand])
    described = {
        "title": "hostile",
        "status": "local",
        "kind": rng.choice(["labels_csv", "labels_csv", "labels_csv", "file_names"]),
        "address": "here",
        "licence": "none",
        "factors": ["hand", "age_years", "age_months"],
        "stratify": "age_years",
        "image": {"width": 10, "height": 12},
    }
    config.write_text(yaml.safe_dump(described))
    return texts


def is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "REJECTED_LIMIT", 1.0)
    protocol = CONFIG / "protocols/by-child.yaml"

    def attempt(case: Case):
        data, out = case.folder / "data", case.folder / "results"
        data.mkdir()
        out.mkdir()
        described = case.folder / "hostile.yaml"
        texts = write_data(case, data, described)
        before = tree(tmp_path)
        paths = [out / name for name in ("labels.csv", "rejected.csv")]
        try:
            make_labels(described, data, *paths)
            make_images(described, data, paths[0], out / "images.npz", out / "u.csv")
            copy_and_deal(out, described, protocol)
        finally:
            after = tree(tmp_path)
            changed = {p for p in before | after if before.get(p) != after.get(p)}
            assert all(p.startswith(str(out)) for p in changed), changed
        check_listed(out, texts)

    fuzz("step_names", tmp_path, attempt)


def copy_and_deal(out: Path, described: Path, protocol: Path) -> None:
    """Make copies, folds and the leak audit of what the steps before have made."""
    copies = CONFIG / "augmentations/ignet.yaml"
    files = out / "images.npz", out / "labels.csv"
    make_copies(*files, copies, "smoke", 0, out / "copies.npz")
    asked = {"protocol": protocol, "augmentation": copies, "dataset": described}
    make_folds(
        SimpleNamespace(
            images=files[0],
            labels=files[1],
            scale="smoke",
            seed=0,
            output=out / "folds.json",
            **asked,
        )
    )
    told = yaml.safe_load(protocol.read_text("utf-8"))
    make_audit(
        SimpleNamespace(
            augmented=out / "copies.npz",
            labels=files[1],
            folds=out / "folds.json",
            protocol_json=json.dumps({"id": "by-child", **told}),
            output=out / "audit.json",
        )
    )


def check_listed(out: Path, texts: list[str]) -> None:
    """Every drawing is in images.npz, or listed with the reason why not."""
    ids = image_arrays.read_ids(out / "images.npz")
    rows = tables.read(out / "labels.csv", ("sample", "file"))
    assert [row["sample"] for row in rows] == ids + [
        row["sample"]
        for row in rows
        if row["file"] in {u["file"] for u in tables.read(out / "u.csv")}
    ]
    told = {row["file"] for row in (*rows, *tables.read(out / "rejected.csv"))}
    lost = [text for text in texts if text not in told]
    assert not lost, lost


def test_a_run_of_snakemake(tmp_path):
    """A shell sees these names; Snakemake does; nothing of them is run."""
    project = Project(copy_project(tmp_path / "project"), tmp_path / "work here")
    data = tmp_path / "data" / "hostile $(touch pwned) 'x'"
    data.mkdir(parents=True)
    # Of names that are no text fewer than the 5 % at which the step gives up.
    names = [stem + b".png" for stem in STEMS if is_text(stem)] + [b"\xff.png"]
    drawn = [name for i, name in enumerate(names) if draw(data, name, 3 * i)]
    texts = [name.decode() for name in drawn if is_text(name)]
    with open(data / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "child", "age_months", "hand"])
        for i, name in enumerate(texts):
            writer.writerow([name, f"$(touch pwned){i // 2}", 60 + i % 3, "'; ls"])
    described = yaml.safe_load((CONFIG / "datasets/draw-a-person.yaml").read_text())
    described |= {"folder": data.name, "factors": ["hand", "age_years", "age_months"]}
    described = {
        key: value
        for key, value in described.items()
        if key not in ("columns", "keep", "require", "exclude")
    } | {
        "title": "hostile; touch pwned $(touch pwned) `x` 'y' \"z\"",
        "stratify": "age_years",
    }
    written = yaml.safe_dump(described, allow_unicode=True)
    (project.root / "config/datasets/hostile.yaml").write_text(written, "utf-8")
    before = tree(tmp_path / "data") | tree(project.root)
    folder = "results/data/hostile"
    settings = ("--config", "scale=smoke", f"data_dir={data.parent}", "dataset=hostile")
    project.plan(*settings)
    result = project.run(
        *settings, "--", f"{folder}/images.npz", f"{folder}/source.json"
    )
    rejected = project.work / folder / "rejected.csv"
    assert result.code == 0, result.output[-3000:]
    assert tree(tmp_path / "data") | tree(project.root) == before
    assert not list(tmp_path.rglob("pwned"))
    ids = image_arrays.read_ids(project.work / folder / "images.npz")
    listed = {row["file"] for row in tables.read(rejected)}
    assert len(ids) == len(texts) - len(listed & set(texts)) > 60
    assert "\\xff.png" in listed
    twins = {unicodedata.normalize("NFC", name) for name in ids}
    assert len(twins) < len(ids)  # a name in two normal forms is two drawings
    again = project.run(*settings, "--", f"{folder}/images.npz")
    assert "Nothing to be done" in again.output, again.output[-3000:]
