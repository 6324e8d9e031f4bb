"""Folds: strata, groups, the file and what is refused. (Reading: test_samples.py.)"""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from scripts.folds import make_folds
from scripts.images import make_images
from scripts.labels import make_labels
from scripts.lib.io.files import write_npz
from scripts.lib.split import part_sizes, protocols
from scripts.lib.split.protocols import Fold, SplitError
from tests.conftest import ROOT
from tests.scripts.conftest import deal

CONFIG = ROOT / "config"
PARTS = ("train", "validation", "test")
# 60 drawings of 20 children, three each, four classes of unequal size.
IDS = [f"d{i:02}" for i in range(60)]
CHILDREN = [f"c{i // 3}" for i in range(60)]
CLASSES = [
    "abcd"[(i // 3 % 10 > 3) + (i // 3 % 10 > 6) + (i // 3 == 9)] for i in range(60)
]
DEALT = {"folds": 5, "validation": 0.2, "seed": 0}


def _arguments(small, out, **changed):
    return SimpleNamespace(
        **{
            "labels": small.labels,
            "images": small.images,
            "protocol": CONFIG / "protocols/by-child.yaml",
            "augmentation": CONFIG / "augmentations/ignet.yaml",
            "dataset": CONFIG / "datasets/stirling.yaml",
            "scale": "smoke",
            "seed": 0,
            "output": out,
            **changed,
        }
    )


def _protocol(tmp_path, name="by-child", **changed):
    config = yaml.safe_load((CONFIG / f"protocols/{name}.yaml").read_text("utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**config, **changed}), "utf-8")
    return path


def test_rows_keep_the_proportions_of_the_classes_in_every_part():
    ids = [f"{i}#{k}" for i in IDS for k in range(7)]
    classes = [c for c in CLASSES for _ in range(7)]
    folds = protocols.split_rows(ids, classes, folds=5, validation=1 / 6, seed=0)
    whole, class_of = Counter(classes), dict(zip(ids, classes, strict=True))
    for fold in folds:
        sizes = {"train": 280, "validation": 70, "test": 70}
        for part, size in sizes.items():
            names = getattr(fold, part)
            assert len(names) == size
            for value, count in Counter(class_of[n] for n in names).items():
                assert abs(count - whole[value] * size / 420) <= 2


def test_rows_of_validation_are_fixed_and_every_other_row_is_tested_once():
    folds = protocols.split_rows(IDS, CLASSES, folds=5, validation=1 / 6, seed=0)
    assert len({fold.validation for fold in folds}) == 1
    tested = [name for fold in folds for name in fold.test]
    assert sorted(tested + list(folds[0].validation)) == IDS
    for fold in folds:
        assert sorted(fold.train + fold.validation + fold.test) == IDS


@pytest.mark.parametrize("groups", [CHILDREN, IDS], ids=["child", "drawing"])
def test_groups_stay_whole_and_every_drawing_is_tested_once(groups):
    owner = dict(zip(IDS, groups, strict=True))
    folds = protocols.split_groups(IDS, CLASSES, groups, **DEALT)
    assert sorted(name for fold in folds for name in fold.test) == IDS
    for fold in folds:
        sides = [{owner[n] for n in getattr(fold, part)} for part in PARTS]
        assert sum(map(len, sides)) == len(set(groups))
        assert len(set.union(*sides)) == len(set(groups))


def test_groups_are_stratified():
    folds = protocols.split_groups(IDS, CLASSES, CHILDREN, **DEALT)
    class_of = dict(zip(IDS, CLASSES, strict=True))
    for fold in folds:
        assert 9 <= len(fold.test) <= 15 and 6 <= len(fold.validation) <= 12
        counts = Counter(class_of[n] for n in fold.test)
        assert all(counts[c] >= 1 for c in "ab") and max(counts.values()) <= 6


@pytest.mark.parametrize("by_child", [True, False])
def test_a_seed_is_one_dealing_and_another_seed_another(by_child):
    def dealt(seed):
        if by_child:
            return protocols.split_groups(
                IDS, CLASSES, CHILDREN, **{**DEALT, "seed": seed}
            )
        return protocols.split_rows(IDS, CLASSES, **{**DEALT, "seed": seed})

    assert dealt(3) == dealt(3)
    assert dealt(3) != dealt(4)


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"folds": 1}, "folds: expected at least 2, received 1"),
        ({"validation": 0}, "validation: expected a portion between 0 and 1"),
        ({"validation": 0.7}, r"validation: expected at most 0\.5 where groups"),
        ({"folds": 21}, r"at least as many groups \(children\) as parts, received 20"),
    ],
)
def test_an_impossible_dealing_is_refused(changed, text):
    with pytest.raises(SplitError, match=text):
        protocols.split_groups(IDS, CLASSES, CHILDREN, **{**DEALT, **changed})


@pytest.mark.parametrize(
    "children, folds, told",
    [
        (1, 3, "record more children"),
        (2, 3, "No number of folds fits so few: record more children"),
        (3, 5, "Take at most 3 `folds`, or record more children"),
        (3, 3, "Raise `validation` to 0.50, or record more children"),
        (5, 3, "Raise `validation` to 0.33, or record more children"),
    ],
)
def test_too_few_children_name_what_would_help(children, folds, told):
    groups = [f"c{i % children}" for i in range(30)]
    ids = [f"d{i}" for i in range(30)]
    asked = {"folds": folds, "validation": 0.2, "seed": 0}
    with pytest.raises(SplitError, match=told):
        protocols.split_groups(ids, ["a"] * 30, groups, **asked)


def test_the_value_that_is_advised_is_enough():
    groups = [f"c{i % 5}" for i in range(30)]
    asked = {"folds": 3, "validation": 0.33, "seed": 0}
    assert protocols.split_groups([f"d{i}" for i in range(30)], groups, groups, **asked)


def test_no_part_stays_empty_where_there_are_as_many_groups_as_parts():
    """scikit-learn's dealer leaves a part empty in 11 of these 20."""
    groups = [f"c{i // 3}" for i in range(18)]
    classes = [str(i // 3 % 5) for i in range(18)]
    ids = [f"d{i}" for i in range(18)]
    for seed in range(20):
        asked = {"folds": 6, "validation": 0.34, "seed": seed}
        folds = protocols.split_groups(ids, classes, groups, **asked)
        assert sorted(name for fold in folds for name in fold.test) == sorted(ids)
        protocols.check_sides(folds, dict(zip(ids, groups, strict=True)), "child", "f")


def test_uneven_parts_are_told_with_their_numbers():
    groups = ["big"] * 60 + [f"k{i // 2}" for i in range(18)]
    ids = [f"d{i}" for i in range(78)]
    asked = part_sizes.asked_sizes(78, 3, 0.2)
    assert {k: round(v, 1) for k, v in asked.items()} == {
        "train": 41.6,
        "validation": 10.4,
        "test": 26.0,
    }
    dealt = protocols.split_groups(
        ids, ["a"] * 78, groups, folds=3, validation=0.2, seed=0
    )
    told = part_sizes.tell_uneven(dealt, groups, asked)
    assert " for train (42 asked), " in told and " for test (26 asked)" in told
    assert "of 78 drawings in 10 groups 'big' has 60" in told


def test_usual_parts_are_not_told():
    for n, each in ((24, 2), (40, 2), (60, 3)):
        groups = [f"c{i // each}" for i in range(n)]
        ids = [f"d{i}" for i in range(n)]
        for folds in (2, 3, 5):
            dealt = protocols.split_groups(
                ids, ["a"] * n, groups, folds=folds, validation=0.2, seed=0
            )
            asked = part_sizes.asked_sizes(n, folds, 0.2)
            assert part_sizes.tell_uneven(dealt, groups, asked) is None


def test_too_few_rows_are_refused():
    with pytest.raises(SplitError, match=r"too few to split \(3 rows in 5 folds"):
        protocols.split_rows(IDS[:3], CLASSES[:3], folds=5, validation=0.2, seed=0)


def test_classes_of_one_drawing_each_cannot_be_stratified():
    with pytest.raises(SplitError, match="no class has more than 1 drawings"):
        protocols.split_groups(IDS[:9], list("abcdefghi"), IDS[:9], **DEALT)


def test_sides_are_checked():
    owners = {"x": "anna", "y": "ben", "z": "cem", "u": "anna"}
    good = Fold(("x", "u"), ("y",), ("z",))
    protocols.check_sides([good], owners, "child", "f.json")
    cases = {
        r"fold 1: the child 'anna' is on two sides, train and test \(there with 'u'": (
            Fold(("x",), ("y",), ("u", "z"))
        ),
        "fold 1: test: unknown id 'w'": Fold(("x",), ("y",), ("w",)),
        "fold 1: the part 'test' is empty": Fold(("x",), ("y",), ()),
        "fold 1: train: an id stands there twice": Fold(("x", "x"), ("y",), ("z",)),
    }
    for text, fold in cases.items():
        with pytest.raises(SplitError, match=f"f.json: {text}"):
            protocols.check_sides([good, fold], owners, "child", "f.json")


def test_the_file_says_what_was_dealt_and_repeats_to_the_byte(small, tmp_path):
    document = json.loads(small.by_child.read_text("utf-8"))
    about = {k: v for k, v in document.items() if not k.endswith(("sha256", "folds"))}
    assert about == {
        "dataset": "stirling",
        "protocol": "by-child",
        "unit": "drawing",
        "grouped_by": "child",
        "seed": 0,
        "stratified_by": "age_years",
        "augmentation": None,
        "copies": None,
    }
    rows = json.loads(small.paper.read_text("utf-8"))
    assert (rows["unit"], rows["augmentation"], rows["copies"]) == ("row", "ignet", 3)
    for protocol, before in (("by-child", small.by_child), ("paper", small.paper)):
        again = deal(small, protocol, tmp_path)
        assert again.read_bytes() == before.read_bytes()


def test_drawings_may_be_dealt_one_by_one(small, tmp_path):
    out = tmp_path / "by-drawing.json"
    protocol = _protocol(tmp_path, unit="drawing")
    make_folds(_arguments(small, out, protocol=protocol))
    folds = protocols.load_folds(out, small.labels)
    assert (folds.unit, folds.grouped_by) == ("drawing", "drawing")
    assert sorted(n for f in folds.folds for n in f.test) == sorted(
        row["sample"] for row in small.rows
    )


def test_drawings_without_an_image_are_not_dealt(small, tmp_path):
    with np.load(small.images) as file:
        images = tmp_path / "images.npz"
        write_npz(images, images=file["images"][1:], ids=file["ids"][1:])
    out = tmp_path / "folds.json"
    make_folds(_arguments(small, out, images=images))
    dealt = {n for f in protocols.load_folds(out, small.labels).folds for n in f.test}
    assert dealt == {row["sample"] for row in small.rows[1:]}


def _labels(small, tmp_path, change):
    """Return a labels file in which `change` was done to the list of lines."""
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(change(small.labels.read_text().splitlines())) + "\n")
    return {"labels": path}


@pytest.mark.parametrize(
    "change, text",
    [
        (
            lambda s, t: _labels(s, t, lambda lines: lines[:-3]),
            r"images\.npz: 3 drawings are not in .*labels\.csv, the first is 'p1-21m",
        ),
        (
            lambda s, t: _labels(s, t, lambda lines: [*lines, lines[-1]]),
            r"labels\.csv: the sample 'p1-23m-6\.0f' is twice there",
        ),
        (
            lambda s, t: _labels(
                s, t, lambda lines: [x.replace("p1-0,", ",") for x in lines]
            ),
            r"labels\.csv: expected a sample and a group in each row",
        ),
        (
            lambda s, t: {"protocol": _protocol(t, unit="famly")},
            r"mine\.yaml: unit: expected one of row, drawing, child, official, rec",
        ),
        (
            lambda s, t: {"protocol": _protocol(t, "paper"), "augmentation": None},
            "expected its file by --augmentation, received none",
        ),
        (
            lambda s, t: {
                "protocol": _protocol(t, "paper"),
                "augmentation": CONFIG / "augmentations/keras.yaml",
            },
            r"the augmentation 'ignet'; expected .* received .*keras\.yaml",
        ),
        (
            lambda s, t: {
                "protocol": _protocol(t, folds={"smoke": 13, "demo": 3, "paper": 5})
            },
            r"stirling, protocol mine .*mine\.yaml.* 12 for 13 parts.* at most 12 `fol",
        ),
    ],
)
def test_what_cannot_be_dealt_is_named_and_nothing_is_written(
    small, tmp_path, change, text
):
    out = tmp_path / "folds.json"
    with pytest.raises(SplitError, match=text):
        make_folds(_arguments(small, out, **change(small, tmp_path)))
    assert not out.exists()


def test_a_drawing_without_its_class_is_named(small, tmp_path):
    def add_blank(lines):
        hands = ["hand", *["left"] * 23, ""]
        return [f"{line},{hand}" for line, hand in zip(lines, hands, strict=True)]

    dataset = tmp_path / "mine.yaml"
    config = yaml.safe_load((CONFIG / "datasets/stirling.yaml").read_text("utf-8"))
    dataset.write_text(yaml.safe_dump({**config, "stratify": "hand"}), "utf-8")
    changed = {**_labels(small, tmp_path, add_blank), "dataset": dataset}
    with pytest.raises(SplitError, match=r"hand: expected a value for every drawing"):
        make_folds(_arguments(small, tmp_path / "folds.json", **changed))


def _broken(small, tmp_path, source="by_child", **changed):
    document = json.loads(getattr(small, source).read_text("utf-8"))
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({**document, **changed}), "utf-8")
    return path


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"unit": "family"}, "received 'family' grouped by 'child'"),
        ({"grouped_by": "row"}, "received 'drawing' grouped by 'row'"),
        ({"copies": 3}, "copies: expected a number under the unit 'row' and null"),
        ({"colour": "red"}, "not a folds file"),
        ({"folds": [{"train": []}]}, "not a folds file"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(small, tmp_path, changed, text):
    with pytest.raises(SplitError, match=text):
        protocols.load_folds(_broken(small, tmp_path, **changed), small.labels)


def test_rows_of_another_augmentation_are_refused(small):
    folds = protocols.load_folds(small.paper, small.labels)
    with np.load(small.augmented, allow_pickle=False) as file:
        first = file["copy"] == 0
        rows = {
            "ids": file["ids"][first].tolist(),
            "parents": file["parent"][first].tolist(),
            "copies": file["copy"][first],
        }
    with pytest.raises(SplitError, match="made by ignet, 3 copies"):
        protocols.part_rows(folds, 0, "train", **rows)


def test_no_real_child_is_on_two_sides(real_data_dir, tmp_path):
    dataset = CONFIG / "datasets/draw-a-person.yaml"
    folder = real_data_dir / "draw-a-person"
    small = SimpleNamespace(
        labels=tmp_path / "labels.csv", images=tmp_path / "images.npz"
    )
    make_labels(dataset, folder, small.labels, tmp_path / "rejected.csv")
    unreadable = tmp_path / "unreadable.csv"
    make_images(dataset, folder, small.labels, small.images, unreadable)
    children = protocols.read_children(small.labels)
    for scale, count in (("smoke", 2), ("demo", 3), ("paper", 5)):
        out = tmp_path / f"{scale}.json"
        make_folds(_arguments(small, out, dataset=dataset, scale=scale))
        folds = protocols.load_folds(out, small.labels)
        assert len(folds.folds) == count
        for fold in folds.folds:
            sides = [{children[n] for n in getattr(fold, part)} for part in PARTS]
            assert all(sides)
            everybody = set(children.values())
            assert set.union(*sides) == everybody
            assert sum(map(len, sides)) == len(everybody)
