"""Splits: who is dealt to training, validation and test.

Dealing is deterministic: its only randomness is `engine.random`, purpose "split".

Source: S0 4.4.1 (stratified folds), EXPERIMENTS "Folds" and "Protocols".
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.random import stream
from scripts.lib.data.labels import GROUP
from scripts.lib.io import tables
from scripts.lib.io.files import read_json, sha256_of

PARTS = ("train", "validation", "test")
UNITS = ("row", "drawing", "child", "official")


class SplitError(ValueError):
    """Folds that cannot be made, or that break their own protocol."""


@dataclass(frozen=True)
class Fold:
    """Ids of one fold's three parts, each in the order of the data set."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Folds:
    """What a folds file says.

    unit: "row" (ids are SAMPLE#COPY) or "drawing" (ids are SAMPLE); grouped_by: what
    stands on one side only, "row", "drawing" or "child"; augmentation, copies: which
    rows were dealt, None under the unit "drawing"; labels_sha256: of the labels file's
    bytes; samples_sha256: of the ids that were dealt from, one a line.
    """

    dataset: str
    protocol: str
    unit: str
    grouped_by: str
    seed: int
    stratified_by: str
    augmentation: str | None
    copies: int | None
    labels_sha256: str
    samples_sha256: str
    folds: tuple[Fold, ...]


def row_id(sample: str, copy: int) -> str:
    """Return the id of one augmented row, SAMPLE#COPY."""
    return f"{sample}#{copy}"


def split_rows(
    ids: Sequence[str],
    classes: Sequence[str],
    *,
    folds: int,
    validation: float,
    seed: int,
) -> tuple[Fold, ...]:
    """Deal rows one by one: a fixed validation part, then k folds of what is left.

    Rows are put in order by (class, random number). The row at place p goes to the
    validation part if floor((p + 1) v + 1/2) > floor(p v + 1/2); of the rest, the one
    at place q is tested in fold q mod k. So each class has its share in each part to
    within one row or two. Fold j trains on what the other folds test.

    ids: n rows; classes: n, what is stratified by; folds: k; validation: v, portion.
    Source: S0 4.4.1 (each row is tested once, validation rows are never learned).
    Raises: SplitError for a part that stays empty, or an impossible k or v.
    """
    _check_request(folds, validation)
    mixed = stream(seed, "split", "rows").permutation(len(ids))
    order = mixed[np.argsort(_codes(classes)[mixed], kind="stable")]
    ends = np.floor(np.arange(len(ids) + 1) * validation + 0.5)
    rest = order[np.diff(ends) == 0]
    tested = np.full(len(ids), -1)
    tested[rest] = np.arange(len(rest)) % folds
    made = tuple(
        _fold(ids, (tested >= 0) & (tested != j), tested == -1, tested == j)
        for j in range(folds)
    )
    _check_parts(made, f"{len(ids)} rows in {folds} folds, validation {validation:g}")
    return made


def split_groups(
    ids: Sequence[str],
    classes: Sequence[str],
    groups: Sequence[str],
    *,
    folds: int,
    validation: float,
    seed: int,
) -> tuple[Fold, ...]:
    """Deal whole groups: k stratified folds, and a validation part within each.

    Fold j tests its own groups; of the groups left, the first of m = round(1 / v)
    stratified parts is for validation, and the net learns the others.

    ids: n drawings; classes: n, what is stratified by; groups: n, what stays together
    (the child; or the drawing's own id); folds: k; validation: v, portion of the
    training side, at most 1/2.
    Source: EXPERIMENTS "Protocols" (by-drawing, by-child).
    Raises: SplitError for fewer groups than parts, or an impossible k or v.
    """
    _check_request(folds, validation)
    if validation > 0.5:
        raise SplitError(
            f"validation: expected at most 0.5 where groups are dealt, got {validation}"
        )
    codes, group_codes = _codes(classes), _codes(groups)
    tested = _deal_groups(codes, group_codes, folds, seed, "test")
    made = []
    for j in range(folds):
        side = np.flatnonzero(tested != j)
        inner = _deal_groups(
            codes[side], group_codes[side], round(1 / validation), seed, f"inner {j}"
        )
        train, held = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
        train[side[inner != 0]] = True
        held[side[inner == 0]] = True
        made.append(_fold(ids, train, held, tested == j))
    count = len(set(groups))
    _check_parts(made, f"{len(ids)} drawings in {count} groups and {folds} folds")
    return tuple(made)


def split_official(
    ids: Sequence[str],
    classes: Sequence[str],
    parts: Sequence[str],
    *,
    images: Mapping[str, int | None],
    validation: float,
    seed: int,
) -> tuple[Fold, ...]:
    """Return the one fold of a set that comes with a test part of its own.

    Of the training and of the test part so many images are taken; of the training
    images a portion is for validation. Images are put in order by (class, random
    number); of n the one at place p is among the m taken if ⌊(p + 1) m/n⌋ > ⌊p m/n⌋, so
    each class has its share in each part to within one image.

    ids: n; classes: n, what is stratified by; parts: n, train or test as the set has
    it; images: {train, test}: how many, None: all; validation: v, portion.
    Source: S4 4.1.
    Raises: SplitError for a part that stays empty, or more images than there are.
    """
    _check_portion(validation)
    mixed = stream(seed, "split", "official").permutation(len(ids))
    order = mixed[np.argsort(_codes(classes)[mixed], kind="stable")]
    of = np.asarray(parts)[order]
    taken = {}
    for part in ("train", "test"):
        there = order[of == part]
        wanted = len(there) if images[part] is None else images[part]
        if wanted > len(there):
            raise SplitError(
                f"images.{part}: expected at most the {len(there)} images of the set's "
                f"{part} part, received {wanted}; take fewer, or null for all"
            )
        taken[part] = there[_spread(len(there), wanted)]
    held_out = _spread(len(taken["train"]), round(validation * len(taken["train"])))
    masks = np.zeros((3, len(ids)), bool)
    masks[0, taken["train"][~held_out]] = True
    masks[1, taken["train"][held_out]] = True
    masks[2, taken["test"]] = True
    made = (_fold(ids, *masks),)
    _check_parts(made, f"{len(ids)} images, validation {validation:g}")
    return made


def _spread(n: int, m: int) -> np.ndarray:
    """Return bool (n,): m of n places, evenly spread."""
    return np.diff(np.arange(n + 1) * m // max(n, 1)) > 0


def check_sides(
    folds: Sequence[Fold], owners: Mapping[str, str], grouped_by: str, where: str
) -> None:
    """Check that nothing stands on two sides of a fold.

    owners: {id: what must stand on one side} (the row itself, its drawing, or its
    child); grouped_by: what errors call that; where: the file, for errors.
    Raises: SplitError naming fold, parts and one that is shared; or an unknown id.
    """
    for j, fold in enumerate(folds):
        side_of: dict[str, str] = {}
        for part in PARTS:
            ids = getattr(fold, part)
            if not ids:
                raise SplitError(f"{where}: fold {j}: the part {part!r} is empty")
            if len(set(ids)) != len(ids):
                raise SplitError(f"{where}: fold {j}: {part}: an id stands there twice")
            for name in ids:
                if name not in owners:
                    raise SplitError(
                        f"{where}: fold {j}: {part}: unknown id {name!r}; expected ids "
                        "of the labels file. Make the folds anew"
                    )
                owner = owners[name]
                if side_of.setdefault(owner, part) != part:
                    raise SplitError(
                        f"{where}: fold {j}: the {grouped_by} {owner!r} is on two "
                        f"sides, {side_of[owner]} and {part} (there with {name!r}); "
                        f"expected every {grouped_by} on one side only. Make the folds "
                        "anew; do not edit them by hand"
                    )


def load_folds(path: str | Path, labels: str | Path) -> Folds:
    """Read a folds file and check it against the labels file it was made from.

    path: folds/PROTOCOL.json; labels: labels.csv (columns sample and group).
    Checked: the labels' sha256, the unit, that every id is known, and that no row, no
    drawing or no child (by `grouped_by`) stands on two sides of a fold.
    Raises: SplitError naming the file and what to do.
    """
    path, labels = Path(path), Path(labels)
    folds = _read_folds(path)
    hashed = sha256_of(labels)
    if folds.labels_sha256 != hashed:
        raise SplitError(
            f"{path}: made from other labels: expected labels_sha256 {hashed} (of "
            f"{labels}), received {folds.labels_sha256}. Make the folds anew"
        )
    children = read_children(labels)
    check_sides(folds.folds, owners_of(folds, children), folds.grouped_by, str(path))
    return folds


def read_children(labels: str | Path) -> dict[str, str]:
    """Return {sample: who drew it, or else belongs together} of a labels file.

    In its order.
    Raises: SplitError if a column is missing or a sample stands there twice.
    """
    children: dict[str, str] = {}
    for row in tables.read(labels, ("sample", GROUP)):
        if not row["sample"] or not row[GROUP]:
            raise SplitError(
                f"{labels}: expected a sample and a {GROUP} in each row, received {row}"
            )
        if row["sample"] in children:
            raise SplitError(f"{labels}: the sample {row['sample']!r} is twice there")
        children[row["sample"]] = row[GROUP]
    return children


def owners_of(folds: Folds, children: Mapping[str, str]) -> dict[str, str]:
    """Return {id: what stands on one side only} for every id the file may hold."""
    if folds.unit == "row":
        return {
            row_id(sample, copy): row_id(sample, copy)
            for sample in children
            for copy in range(folds.copies or 0)
        }
    if folds.grouped_by == "child":
        return dict(children)
    return {sample: sample for sample in children}


def part_rows(
    folds: Folds,
    number: int,
    part: str,
    *,
    ids: Sequence[str],
    parents: Sequence[str],
    copies: np.ndarray,
) -> np.ndarray:
    """Return int64 (m,): the rows of the augmented set that are one part of one fold.

    Unit row: the rows listed. Unit drawing: for training all copies of the drawings
    listed, for validation and test each drawing as it is (copy 0). In ascending order.

    number: the fold; part: train, validation or test; ids, parents, copies: of the
    augmented set, n rows each.
    Raises: SplitError if a listed id has no row.
    """
    listed = set(getattr(folds.folds[number], part))
    names = ids if folds.unit == "row" else parents
    chosen = np.fromiter((name in listed for name in names), bool, len(names))
    if folds.unit != "row" and part != "train":
        chosen &= np.asarray(copies) == 0
    rows = np.flatnonzero(chosen)
    missing = listed.difference(names[i] for i in rows)
    if missing:
        raise SplitError(
            f"folds of {folds.protocol}, fold {number}, {part}: {len(missing)} ids "
            f"have no row in the augmented set, e.g. {min(missing)!r}; expected the "
            f"set made by {folds.augmentation or 'any augmentation'}, "
            f"{folds.copies or 'any number of'} copies. Use that one, or make the "
            "folds anew"
        )
    return rows


def _read_folds(path: Path) -> Folds:
    try:
        document: dict[str, Any] = read_json(path)
        parts = [{name: tuple(f[name]) for name in PARTS} for f in document["folds"]]
        fields = {**document, "folds": tuple(Fold(**part) for part in parts)}
        folds = Folds(**fields)
    except (KeyError, TypeError) as error:
        raise SplitError(
            f"{path}: not a folds file ({type(error).__name__}: {error}); make it anew "
            "with `python -m scripts.folds`"
        ) from error
    _check_types(folds, path)
    units = {"row": ("row",), "drawing": ("drawing", "child")}
    if folds.grouped_by not in units.get(folds.unit, ()):
        raise SplitError(
            f"{path}: expected unit 'row' grouped by 'row', or unit 'drawing' grouped "
            f"by 'drawing' or 'child', received {folds.unit!r} grouped by "
            f"{folds.grouped_by!r}"
        )
    if (folds.unit == "row") != (folds.copies is not None):
        raise SplitError(
            f"{path}: copies: expected a number under the unit 'row' and null under "
            f"'drawing', received {folds.copies!r} under {folds.unit!r}"
        )
    return folds


def _check_types(folds: Folds, path: Path) -> None:
    """Raise SplitError unless all is text that is to be, and no number is absurd."""
    texts = ("dataset", "protocol", "unit", "grouped_by", "labels_sha256")
    held = {name: getattr(folds, name) for name in texts}
    parts = [getattr(fold, part) for fold in folds.folds for part in PARTS]
    ids = [name for part in parts for name in part]
    # All rows stand in each fold, so there are no more copies than ids.
    copies, seed = folds.copies, folds.seed
    most = len(ids) // max(len(folds.folds), 1)
    counted = copies is None or (type(copies) is int and 0 < copies <= most)
    if (
        not all(isinstance(value, str) for value in (*held.values(), *ids))
        or type(seed) is not int
        or not counted
        or not folds.folds
    ):
        raise SplitError(
            f"{path}: not a folds file: expected texts, ids, an integer seed and a "
            f"number of copies up to {most}, received {held}, seed {seed!r}, copies "
            f"{copies!r}, {len(parts)} parts; make it anew with "
            "`python -m scripts.folds`"
        )


def _check_request(folds: int, validation: float) -> None:
    if folds < 2:
        raise SplitError(f"folds: expected at least 2, received {folds}")
    _check_portion(validation)


def _check_portion(validation: float) -> None:
    if not 0 < validation < 1:
        raise SplitError(
            f"validation: expected a portion between 0 and 1, received {validation}"
        )


def _check_parts(folds: Sequence[Fold], what: str) -> None:
    for j, fold in enumerate(folds):
        for part in PARTS:
            if not getattr(fold, part):
                lever = "Take fewer folds" if part == "test" else "Change `validation`"
                raise SplitError(
                    f"too few to split ({what}): fold {j} has nothing for {part}. "
                    f"{lever}, or record more drawings"
                )


def _fold(
    ids: Sequence[str], train: np.ndarray, validation: np.ndarray, test: np.ndarray
) -> Fold:
    """Return the fold of three masks over `ids`."""
    parts = (
        tuple(ids[i] for i in np.flatnonzero(mask))
        for mask in (train, validation, test)
    )
    return Fold(*parts)


def _codes(values: Sequence[str]) -> np.ndarray:
    """Return int64 (n,): the place of each value among the sorted different ones."""
    return np.unique(np.asarray(values, dtype=str), return_inverse=True)[1]


def _lever(most: int, name: str) -> str:
    """Return what makes fewer parts; most: how many there may be; name: which parts.

    Test parts are as many as folds, at least 2; of 1 / `validation` parts of what is
    not tested one is for validation.
    """
    if name == "test":
        few = "No number of folds fits so few: "
        return f"Take at most {most} `folds`, or " if most > 2 else few
    return f"Raise `validation` to {1 / most:.2f}, or " if most > 1 else ""


def _deal_groups(
    codes: np.ndarray, groups: np.ndarray, parts: int, seed: int, name: str
) -> np.ndarray:
    """Return int64 (n,): the part 0 ... parts - 1 of each item, groups kept whole."""
    # Imported here: training reads folds with this module, and scikit-learn is slow
    # to load.
    from sklearn.model_selection import StratifiedGroupKFold

    count = len(set(groups.tolist()))
    if count < parts:
        raise SplitError(
            f"expected at least as many groups (children) as parts, received {count} "
            f"for {parts} parts ({name}). {_lever(count, name)}record more children"
        )
    most = max(Counter(codes.tolist()).values())
    if most < parts:
        raise SplitError(
            f"too few to stratify: {parts} parts ({name}), and no class has more than "
            f"{most} drawings. {_lever(most, name)}stratify by a coarser factor"
        )
    # The dealer takes groups by how uneven their classes are, ties in the groups'
    # order: shuffled by our own generator, so that it needs no seed of its own.
    rank = stream(seed, "split", "groups", name).permutation(int(groups.max()) + 1)
    dealer = StratifiedGroupKFold(n_splits=parts)
    dealt = np.full(len(codes), -1)
    with warnings.catch_warnings():
        # It warns of classes smaller than the number of parts; ages of one or two
        # drawings are a fact of these sets, and such a class cannot be in each part.
        warnings.simplefilter("ignore", UserWarning)
        for part, (_, taken) in enumerate(dealer.split(codes, codes, rank[groups])):
            dealt[taken] = part
    _fill_empty(dealt, groups, parts)
    return dealt


def _fill_empty(dealt: np.ndarray, groups: np.ndarray, parts: int) -> None:
    """Give each part that got no group the smallest one of the part that has most.

    The dealer may leave a part empty though there are as many groups as parts.
    """
    for part in range(parts):
        if (dealt == part).any():
            continue
        owned = [np.unique(groups[dealt == p]) for p in range(parts)]
        largest = max(owned, key=len)
        sizes = [int((groups == group).sum()) for group in largest]
        dealt[groups == largest[int(np.argmin(sizes))]] = part
