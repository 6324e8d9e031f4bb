"""Likeness of pictures: both measures by another way, and what they find."""

import cv2
import numpy as np
import pytest
import yaml

from engine.augment import pipeline
from scripts.lib.data.generators import drawings as generator
from scripts.lib.data.generators import person
from scripts.lib.data.picture_files import read_image
from scripts.lib.leak import grey_features
from scripts.lib.leak.grey_features import looks_of
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def drawings():
    """60 generated drawings, uint8 (60, 58, 36)."""
    made = generator.make_drawings(drawings=60, children=30, seed=3)
    files = [np.frombuffer(person.encode(drawing), np.uint8) for drawing in made]
    pages = [cv2.imdecode(file, cv2.IMREAD_GRAYSCALE) for file in files]
    return np.array(
        [cv2.resize(page, (36, 58), interpolation=cv2.INTER_AREA) for page in pages]
    )


@pytest.fixture(scope="module")
def looks(drawings):
    return looks_of(drawings, drawings.mean(axis=0, dtype=np.float64))


def test_correlation_is_the_partial_correlation_given_the_mean_image(drawings, looks):
    mean = drawings.mean(axis=0)
    x, y, m = (
        cv2.GaussianBlur(image.astype(float), (0, 0), 1.0).ravel()
        for image in (drawings[4], drawings[9], mean)
    )
    xy, xm, ym = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, m), (y, m)))
    expected = (xy - xm * ym) / np.sqrt((1 - xm**2) * (1 - ym**2))
    assert looks.correlations(looks)[4, 9] == pytest.approx(expected, abs=1e-5)


def test_hash_is_the_signs_of_opencvs_cosine_transform(drawings, looks):
    mean = drawings.mean(axis=0)
    for i in (0, 7, 30):
        low = cv2.dct(drawings[i] - mean)[1:9, 1:9].ravel()
        assert np.array_equal(looks.signs[i] > 0, low > np.median(low))


def test_the_same_picture_is_alike_and_bits_are_counted(drawings, looks):
    correlation, distance = looks.correlations(looks), looks.distances(looks)
    assert np.allclose(np.diag(correlation), 1, atol=1e-5)
    assert (np.diag(distance) == 0).all()
    counted = (looks.signs[3] != looks.signs[8]).sum()
    assert distance[3, 8] == counted > 0


def test_empty_sheets_are_like_nothing(drawings):
    images = np.concatenate([drawings[:10], np.full((2, 58, 36), 255, np.uint8)])
    mean = drawings.mean(axis=0)
    correlation = looks_of(images, mean).correlations(looks_of(images, mean))
    assert np.isfinite(correlation).all()
    assert (correlation[10:] == 0).all()
    # A set of nothing but empty sheets: the mean image has no structure, either.
    empty = looks_of(images[10:], images[10:].mean(axis=0))
    assert (empty.correlations(empty) == 0).all()
    assert (empty.distances(empty) == 0).all()


def test_nearly_empty_sheets_are_not_taken_for_copies(drawings):
    one, other = np.full((2, 58, 36), 255, np.uint8)
    one[5:9, 4] = 160
    other[48:52, 30] = 160
    mean = drawings.mean(axis=0)
    # With the mean subtracted and no more, these two have most in common.
    centred = [(image - mean).ravel() for image in (one, other)]
    assert np.corrcoef(*centred)[0, 1] > grey_features.CORRELATION
    looks = looks_of(np.array([one, other]), mean)
    assert abs(looks.correlations(looks)[0, 1]) < 0.2


def test_ignets_copies_are_found_and_different_drawings_are_not(drawings, looks):
    recipe = yaml.safe_load((ROOT / "config/augmentations/ignet.yaml").read_text())
    steps = pipeline.parse_steps(recipe["steps"], "ignet")
    names = [str(i) for i in range(len(drawings))]
    rows = pipeline.augment(drawings, names, steps, seed=0, copies=6)
    copies = looks_of(
        rows.reshape(len(drawings), 6, 58, 36)[:, 1:].reshape(-1, 58, 36),
        drawings.mean(axis=0),
    )
    own = np.repeat(np.arange(len(drawings)), 5)
    at = np.arange(len(own))
    # Measured: 100 % and 76 %; on all 338 drawings 99 % and 71 %.
    by_pixels = copies.correlations(looks)[at, own] >= grey_features.CORRELATION
    by_hash = copies.distances(looks)[at, own] <= grey_features.HASH_DISTANCE
    assert by_pixels.mean() > 0.95
    assert by_hash.mean() > 0.6
    apart = np.triu(np.ones((60, 60), bool), 1)
    assert (looks.correlations(looks)[apart] < grey_features.CORRELATION).all()
    assert (looks.distances(looks)[apart] > grey_features.HASH_DISTANCE).all()


def test_noise_and_small_turns_are_found(drawings, looks):
    rng = np.random.default_rng(0)
    noisy = np.clip(drawings + rng.normal(0, 12, drawings.shape), 0, 255)
    turn = cv2.getRotationMatrix2D((17.5, 28.5), 2, 1)
    turned = [
        cv2.warpAffine(d, turn, (36, 58), borderMode=cv2.BORDER_REPLICATE)
        for d in drawings
    ]
    for changed in (noisy, np.array(turned)):
        found = looks_of(changed.astype(np.uint8), drawings.mean(axis=0))
        own = np.diag(found.correlations(looks))
        assert (own >= grey_features.CORRELATION).mean() > 0.95


def test_blocks_change_nothing(drawings, looks, monkeypatch):
    monkeypatch.setattr(grey_features, "_CELLS", 8 * 58 * 36 * 7)
    again = looks_of(drawings, drawings.mean(axis=0, dtype=np.float64))
    assert np.array_equal(again.pixels, looks.pixels)
    assert np.array_equal(again.signs, looks.signs)
    assert list(grey_features.blocks(5, 10**9)) == [slice(i, i + 1) for i in range(5)]
    assert list(grey_features.blocks(0, 4)) == []


def test_too_small_pictures_are_refused():
    with pytest.raises(ValueError, match="at least 9 × 9 px, received 8 × 20"):
        looks_of(np.zeros((2, 20, 8), np.uint8), np.zeros((20, 8)))


def test_real_drawings(real_data):
    """What the thresholds were chosen by; and one drawing is there under two names."""
    files = sorted((real_data("draw-a-person") / "child").glob("*.jpg"))
    images = np.array([read_image(path, 36, 58) for path in files])
    looks = looks_of(images, images.mean(axis=0, dtype=np.float64))
    near = looks.correlations(looks) >= grey_features.CORRELATION
    near |= looks.distances(looks) <= grey_features.HASH_DISTANCE
    pairs = {(files[i].stem, files[j].stem) for i, j in np.argwhere(np.triu(near, 1))}
    assert pairs == {("DAM029_F", "DAM029_T")}
