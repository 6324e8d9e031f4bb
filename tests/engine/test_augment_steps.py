"""Erasing, elastic distortion, Gaussian noise, batches changed anew in each pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from engine.augment import elastic, erasing, noise, pipeline
from engine.errors import InputError, SpecError
from engine.random import stream, streams

ALL = [
    {"rotate": {"degrees": 10}},
    {"flip": {"horizontal": True}},
    "elastic",
    "gaussian_noise",
    {"crop": {"pad": 2}},
    {"noise": {"level": 0.1, "portion": 0.2}},
    "erase",
]


def named(n: int):
    return streams(0, "augment", [("image", i) for i in range(n)])


def batch(n: int = 6, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((n, channels, 12, 10), dtype=np.float32)


def changed(
    images: np.ndarray, steps, seed=0, epoch=1, first=0, **others
) -> np.ndarray:
    parsed = pipeline.parse_steps(steps)
    samples = np.arange(first, first + len(images))
    return pipeline.augment_batch(
        images, parsed, seed=seed, epoch=epoch, samples=samples, **others
    )


# --- crops --------------------------------------------------------------------------


def test_a_crop_is_a_window_of_the_image_in_black():
    images = batch(300) * 0.5 + 0.5
    cropped = changed(images, [{"crop": {"pad": 2}}])
    padded = np.pad(images, [(0, 0), (0, 0), (2, 2), (2, 2)])
    seen = set()
    for image, found in zip(padded, cropped, strict=True):
        windows = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if (image[:, i : i + 12, j : j + 10] == found).all()
        ]
        assert len(windows) == 1
        seen.update(windows)
    assert len(seen) == 25  # each place, sooner or later


# --- erasing ------------------------------------------------------------------------


def test_rectangles_have_the_drawn_probability_areas_and_aspects():
    size, n = (200, 150), 4000
    found = erasing.draw_rectangles(named(n), size, 0.5, (0.02, 0.33), (0.3, 3.3))
    top, left, height, width = found[found[:, 2] > 0].T
    assert abs(len(top) / n - 0.5) < 0.03
    assert (top >= 0).all() and (top + height <= 200).all()
    assert (left >= 0).all() and (left + width <= 150).all()
    area, aspect = height * width / (200 * 150), height / width
    # Uniform but for the few that were too long; rounding moves the ends a little.
    assert 0.019 < area.min() < 0.03 and 0.32 < area.max() < 0.335
    assert abs(area.mean() - 0.175) < 0.01
    assert abs(area.std() - 0.31 / math.sqrt(12)) < 0.005
    assert 0.29 < aspect.min() < 0.33 and 3.1 < aspect.max() < 3.5
    assert abs(aspect.mean() - 1.8) < 0.1
    assert abs(aspect.std() - 3.0 / math.sqrt(12)) < 0.05
    # Every place where it fits is as likely: (top + ½) / (H − h + 1) is uniform.
    place = (top + 0.5) / (200 - height + 1)
    assert abs(place.mean() - 0.5) < 0.02
    assert abs(place.std() - 1 / math.sqrt(12)) < 0.01


def test_rectangle_by_hand():
    u = stream(0, "augment", "image", 3).uniform(size=5)
    found = erasing.draw_rectangles(named(4), (20, 30), 1.0, (0.1, 0.3), (0.5, 1.5))
    area, ratio = 600 * (0.1 + 0.2 * u[1]), 0.5 + u[2]
    height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
    top, left = int(u[3] * (21 - height)), int(u[4] * (31 - width))
    assert found[3].tolist() == [top, left, height, width]


def test_what_cannot_fit_is_not_erased():
    found = erasing.draw_rectangles(named(50), (8, 8), 1.0, (0.5, 0.5), (9, 9))
    assert (found == 0).all()


def test_too_long_ones_are_drawn_anew():
    """Most of these are longer than the image; ten attempts find one that is not."""
    found = erasing.draw_rectangles(named(200), (8, 8), 1.0, (0.3, 0.4), (1, 9))
    assert (found[:, 2] > 0).mean() > 0.9 and (found[:, 2] <= 8).all()


def test_erase_fills_the_rectangle_in_all_channels():
    images = np.zeros((2, 3, 4, 5), np.float32)
    values = np.full_like(images, 0.5)
    rectangles = np.array([[1, 2, 2, 3], [0, 0, 0, 0]])
    y = erasing.erase(images, rectangles, values)
    expected = np.zeros((4, 5))
    expected[1:3, 2:5] = 0.5
    for channel in y[0]:
        np.testing.assert_array_equal(channel, expected)
    assert not y[1].any()


def test_erased_values_are_random_in_the_range_and_the_rest_stays():
    images = np.full((200, 3, 32, 32), 2.0**-9, np.float32)
    y = changed(images, ["erase"])
    erased = y != images
    portion = erased.any(axis=1).mean(axis=(1, 2))
    assert 0.35 < (portion > 0).mean() < 0.65
    assert portion[portion > 0].min() > 0.01 and portion.max() < 0.36
    values = y[erased]
    assert values.min() >= 0 and values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01 and abs(values.std() - 0.289) < 0.01
    first = y[portion.argmax()]
    assert (first[0] != first[1]).any()  # each channel has its own


# --- elastic ------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [2, 0])
def test_an_elastic_field_of_strength_0_is_the_identity(sigma):
    images = batch()
    steps = [{"elastic": {"spread": 0, "sigma": sigma}}]
    np.testing.assert_array_equal(changed(images, steps), images)


def test_elastic_field_is_the_smoothed_uniform_one_of_s3():
    field = elastic.draw_field(named(3), (28, 20), 8.0, 2.0)
    assert field.shape == (3, 2, 28, 20) and field.dtype == np.float32
    u = stream(0, "augment", "image", 2).uniform(size=(2, 28, 20))
    for drawn, received in zip(u, field[2], strict=True):
        expected = gaussian_filter(8 * (drawn - 0.5), sigma=2)
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_elastic_displacements_have_the_documented_size():
    field = elastic.draw_field(named(20), (64, 64), 8.0, 2.0)[..., 8:-8, 8:-8]
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 8 / (math.sqrt(12) * 2 * math.sqrt(math.pi) * 2)) < 0.02


def test_distortion_by_hand():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    field = np.zeros((2, 3, 4), np.float32)
    field[0, 0, 0] = 1.0  # from one to the right
    field[1, 0, 1] = 0.5  # from half way to the one below
    field[:, 2, 3] = 5.0  # from outside: the edge
    y = elastic.distort(image, field)
    assert y[0, 0] == 1.0 and y[0, 1] == 3.0 and y[2, 3] == 11.0
    y[0, :2] = image[0, :2]
    np.testing.assert_array_equal(y, image)


def test_all_channels_of_an_image_move_alike_and_stay_in_range():
    one = batch(channels=1)
    y = changed(np.repeat(one, 3, axis=1), ["elastic"])
    assert (y != np.repeat(one, 3, axis=1)).any()
    np.testing.assert_array_equal(y[:, 0], y[:, 2])
    assert y.min() >= one.min() and y.max() <= one.max()


def test_an_image_smaller_than_the_blur():
    field = elastic.draw_field(named(1), (3, 1), 8.0, 2.0)
    assert np.isfinite(field).all()


# --- Gaussian noise -----------------------------------------------------------------


def test_gaussian_noise_has_its_moments_and_is_not_cut():
    images = np.zeros((10, 1, 50, 40), np.float32)
    y = changed(images, ["gaussian_noise"])
    assert abs(y.mean()) < 0.002 and abs(y.std() - 0.1) < 0.002
    assert y.min() < -0.2
    drawn = noise.draw_gaussian(named(2), (4, 5), 0.3)
    expected = 0.3 * stream(0, "augment", "image", 1).normal(size=(4, 5))
    np.testing.assert_allclose(drawn[1], expected, rtol=1e-6)


def test_a_copy_of_8_bits_is_cut_to_its_range():
    image = np.tile(np.array([0, 128, 255], np.uint8), (30, 10))
    steps = pipeline.parse_steps([{"gaussian_noise": {"sd": 0.5}}])
    made = pipeline.augment_copy(image, steps, seed=0, name="a", copy=1)
    # Half of what was white got lighter still: it stays white and is not black.
    assert 0.3 < (made[image == 255] == 255).mean() < 0.7
    assert 0.3 < (made[image == 0] == 0).mean() < 0.7


# --- colour, batches ----------------------------------------------------------------


def test_colours_are_moved_like_grey():
    grey = np.random.default_rng(1).integers(0, 256, (12, 10)).astype(np.uint8)
    steps = pipeline.parse_steps(ALL[:3])
    made = pipeline.augment_copy(grey, steps, seed=0, name="a", copy=2)
    colour = np.stack([grey, 255 - grey, grey])
    three = pipeline.augment_copy(colour, steps, seed=0, name="a", copy=2)
    assert three.shape == (3, 12, 10) and three.dtype == np.uint8
    np.testing.assert_array_equal(three[0], made)
    np.testing.assert_array_equal(three[2], made)
    rows = pipeline.augment(colour[None], ["a"], steps, seed=0, copies=3)
    np.testing.assert_array_equal(rows[2], three)


def test_a_sample_is_changed_alike_in_any_batch():
    images = batch()
    whole = changed(images, ALL)
    part = changed(images[2:4], ALL, first=2)
    assert whole.dtype == np.float32 and whole.shape == images.shape
    assert whole[2:4].tobytes() == part.tobytes()
    assert changed(images, ALL).tobytes() == whole.tobytes()


def test_another_pass_seed_or_sample_changes_otherwise():
    images = np.repeat(batch(1), 4, axis=0)
    made = [
        changed(images, ALL),
        changed(images, ALL, epoch=2),
        changed(images, ALL, seed=1),
        changed(images, ALL, first=4),
    ]
    assert len({row.tobytes() for rows in made for row in rows}) == 16


def test_the_batch_given_is_left_alone():
    images = batch()
    before = images.copy()
    changed(images, ALL)
    changed(images, [])[:] = 7
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("shape", [(0, 3, 12, 10), (5, 12, 10), (1, 1, 1, 1)])
def test_other_shapes_of_a_batch(shape):
    images = np.full(shape, 0.5)
    assert changed(images, ALL).shape == shape


def test_fill_is_what_comes_in():
    images = np.full((3, 1, 20, 20), 0.5, np.float32)
    steps = [{"shift": {"portion": 0.5}}]
    assert set(np.unique(changed(images, steps, fill=0.0))) >= {0.0, 0.5}
    assert changed(images, steps, fill=0.0).max() == 0.5
    assert changed(images, steps).max() == 1.0


@pytest.mark.parametrize(
    "images, text",
    [
        (np.zeros((2, 3, 4), int), r"expected floats \(n, channels, .*received int64"),
        (np.zeros((2, 3)), r"received float64 \(2, 3\)"),
        (np.full((1, 2, 2), 255.0), r"expected values in \[0, 1\], received 255.0 ..."),
        (np.full((1, 2, 2), np.nan), r"expected values in \[0, 1\], received nan"),
    ],
)
def test_bad_batches_are_named(images, text):
    with pytest.raises(InputError, match=text):
        changed(images, [])


def test_a_number_for_each_image():
    with pytest.raises(InputError, match=r"each image \(=6\), received 2"):
        pipeline.augment_batch(batch(), (), seed=0, epoch=1, samples=[0, 1])


@pytest.mark.parametrize(
    "steps, text",
    [
        ([{"erase": {"area": 0.3}}], "area: expected two numbers .* received 0.3"),
        ([{"erase": {"area": [0.3, 0.1]}}], r"the first not above the second, in \[0"),
        (
            [{"erase": {"aspect": [0, 1]}}],
            r"aspect: expected two numbers .*\[0.01, ",
        ),
        ([{"erase": {"aspect": [1, 2, 3]}}], "aspect: expected two numbers"),
        ([{"elastic": {"sigma": -1}}], "sigma: expected a number in"),
        ([{"gaussian_noise": {"sigma": 1}}], "unknown setting 'sigma'.*known: sd"),
    ],
)
def test_bad_settings_are_named(steps, text):
    with pytest.raises(SpecError, match=text):
        pipeline.parse_steps(steps)
