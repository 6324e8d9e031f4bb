"""Folds and parts: who is where, under the paper's protocol and by child."""

import json

import numpy as np
import pytest

from scripts.lib.split.protocols import SplitError, load_folds
from scripts.lib.split.samples import SampleError, Samples

TASK = {
    "task": "regression",
    "target": ["age_months"],
    "recipe": {"target_scale": 100},
    "protocol": {"labels": True},
}
CLASSES = {**TASK, "task": "classification", "target": ["age_years"], "recipe": {}}


def _parents(part):
    return {name.split("#")[0] for name in part.ids}


def test_paper_puts_copies_of_one_drawing_on_both_sides(small):
    samples = Samples(small.augmented, small.labels, small.paper, TASK)
    for fold in range(2):
        parts = {p: samples.part(fold, p) for p in ("train", "validation", "test")}
        ids = [i for part in parts.values() for i in part.ids]
        assert len(ids) == len(set(ids)) == 24 * 3
        assert _parents(parts["train"]) & _parents(parts["test"])
        assert _parents(parts["train"]) & _parents(parts["validation"])


def test_by_child_keeps_every_child_on_one_side(small):
    samples = Samples(small.augmented, small.labels, small.by_child, TASK)
    child = {row["sample"]: row["group"] for row in small.rows}
    tested = set()
    for fold in range(2):
        parts = {p: samples.part(fold, p) for p in ("train", "validation", "test")}
        sides = [{child[s] for s in _parents(part)} for part in parts.values()]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        # Only the training side is enlarged.
        assert len(parts["train"].ids) == 3 * len(_parents(parts["train"]))
        assert all(
            i.endswith("#0") for i in parts["test"].ids + parts["validation"].ids
        )
        tested |= _parents(parts["test"])
    assert tested == set(child)


def test_arrays_hold_what_the_files_say(small):
    samples = Samples(small.augmented, small.labels, small.paper, TASK)
    part = samples.part(0, "train")
    months = {row["sample"]: row["age_months"] for row in small.rows}
    expected = [months[i.split("#")[0]] / 100 for i in part.ids]
    np.testing.assert_allclose(part.t[:, 0], expected)
    assert part.x.shape[1:] == (1, 58, 36) and part.x.dtype == np.float32
    assert part.x.min() >= 0 and part.x.max() <= 1
    classes = Samples(small.augmented, small.labels, small.paper, CLASSES)
    assert classes.classes == ["5", "6"] and classes.outputs == 2


def test_centering_uses_the_training_part_alone(small):
    task = {**TASK, "recipe": {"target_scale": 100, "center": True}}
    plain = Samples(small.augmented, small.labels, small.by_child, TASK)
    centered = Samples(small.augmented, small.labels, small.by_child, task)
    mean = plain.part(0, "train").x.mean(axis=0)
    assert abs(centered.part(0, "train").x.mean(axis=0)).max() < 1e-5
    test = plain.part(0, "test").x - mean
    np.testing.assert_allclose(centered.part(0, "test").x, test, atol=1e-5)


def test_shuffled_labels_are_the_same_labels_on_other_drawings(small):
    task = {**TASK, "protocol": {"labels": "shuffled"}}
    plain = Samples(small.augmented, small.labels, small.paper, TASK)
    mixed = Samples(small.augmented, small.labels, small.paper, task)
    assert sorted(plain.targets.ravel()) == sorted(mixed.targets.ravel())
    assert (plain.targets != mixed.targets).any()
    by_parent = {}
    for parent, target in zip(mixed.parents, mixed.targets[:, 0], strict=True):
        assert by_parent.setdefault(parent, target) == target


def test_missing_fold_and_missing_factor(small):
    samples = Samples(small.augmented, small.labels, small.paper, TASK)
    with pytest.raises(SampleError, match=r"expected 0 \.\.\. 1, received 2"):
        samples.part(2, "train")
    task = {**CLASSES, "target": ["sex"]}
    with pytest.raises(SampleError, match="sex are not recorded"):
        Samples(small.augmented, small.labels, small.paper, task)


def test_a_class_without_an_image_is_an_error(small, tmp_path):
    """Its only drawing could not be read: it is in labels.csv, not among the copies."""
    with np.load(small.augmented) as file:
        arrays = dict(file)
    six = {r["sample"] for r in small.rows if r["age_years"] == 6}
    keep = [parent not in six for parent in arrays["parent"].tolist()]
    less = tmp_path / "ignet.npz"
    np.savez(less, **{name: array[keep] for name, array in arrays.items()})
    with pytest.raises(SampleError, match="the class 6 of age_years has no readable"):
        Samples(less, small.labels, small.by_child, CLASSES)


def test_a_child_on_two_sides_is_an_error(small, tmp_path):
    document = json.loads(small.by_child.read_text("utf-8"))
    fold = document["folds"][0]
    brother = fold["train"].pop()
    fold["test"].append(brother)
    broken = tmp_path / "by-child.json"
    broken.write_text(json.dumps(document))
    with pytest.raises(SplitError, match=r"the child 'p1-\d+' is on two sides"):
        load_folds(broken, small.labels)


def test_folds_of_other_labels_are_refused(small, tmp_path):
    other = tmp_path / "labels.csv"
    other.write_text(small.labels.read_text("utf-8").replace(",60", ",61"))
    with pytest.raises(SplitError, match="made from other labels"):
        load_folds(small.paper, other)
