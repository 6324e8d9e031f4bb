"""Augmentation: the maps, the noise, and copies that depend on nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.augment import geometry, noise, pipeline
from engine.errors import InputError, SpecError
from engine.random import stream, streams

SIZE = (58, 36)
STEPS = [
    {"rotate": {"degrees": 10}},
    {"stretch": {"portion": 0.1}},
    {"shift": {"portion": 0.1}},
    {"flip": {"horizontal": True, "vertical": True}},
    {"noise": {"level": 0.2, "portion": 0.1}},
]


def drawing(number: int) -> np.ndarray:
    """Return uint8 (58, 36): a stroke on white paper, another for each number."""
    image = np.full(SIZE, 255, np.uint8)
    image[10 + number : 45, 12 + number : 15 + number] = 40
    return image


def grey(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(255)


def moved(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    return tuple(np.round((matrix @ (x, y, 1.0))[:2], 9))


def test_rotation_turns_counter_clockwise_about_the_centre():
    # A quarter turn of a 5x5 image takes the right edge's middle to the top's middle.
    matrix = geometry.rotation(90, (5, 5))
    assert moved(matrix, 2, 2) == (2, 2)
    assert moved(matrix, 4, 2) == (2, 0)
    image = np.ones((5, 5), np.float32)
    image[2, 4] = 0.0
    turned = geometry.warp(image, matrix)
    np.testing.assert_allclose(turned, np.rot90(image), atol=1e-6)


def test_stretch_takes_x_and_y_apart():
    matrix = geometry.stretch(2.0, 0.5, (5, 9))
    assert moved(matrix, 4, 2) == (4, 2)
    assert moved(matrix, 6, 4) == (8, 3)
    with pytest.raises(ValueError, match="expected factors above 0, received x=0"):
        geometry.stretch(0, 1, SIZE)


def test_shift_is_a_portion_and_leaves_white_paper_behind():
    image = np.zeros((10, 20), np.float32)
    down = geometry.warp(image, geometry.shift(0.1, 0.2, (10, 20)))
    assert (down[:2] == 1.0).all() and (down[:, :2] == 1.0).all()
    assert (down[2:, 2:] == 0.0).all()


@pytest.mark.parametrize(
    "horizontal, vertical", [(False, False), (True, False), (False, True), (True, True)]
)
def test_flips_are_exact(horizontal: bool, vertical: bool):
    image = np.random.default_rng(0).random(SIZE, dtype=np.float32)
    expected = image[:, ::-1] if horizontal else image
    expected = expected[::-1] if vertical else expected
    matrix = geometry.flip(horizontal, vertical, SIZE)
    np.testing.assert_array_equal(geometry.warp(image, matrix), expected)


def test_warp_refuses_other_shapes():
    with pytest.raises(ValueError, match="expected a float32 image"):
        geometry.warp(np.zeros((3, 4)), np.eye(3))
    with pytest.raises(ValueError, match="expected a 3x3 matrix"):
        geometry.warp(np.zeros((3, 4), np.float32), np.eye(2, 3))


def test_noise_takes_the_portion_and_both_signs():
    drawn = noise.draw_noise(streams(0, "augment", [("a", 1)]), SIZE, 0.25, 0.1)
    assert drawn.dtype == np.float32 and drawn.shape == (1, *SIZE)
    assert np.count_nonzero(drawn) == round(0.1 * 58 * 36)
    assert set(np.unique(drawn)) == {np.float32(-0.25), 0, np.float32(0.25)}
    assert 0.3 < np.mean(drawn[drawn != 0] > 0) < 0.7


def test_noise_is_clipped_to_the_range_of_grey():
    image = np.array([[0.0, 0.1, 0.5, 0.9, 1.0]], np.float32)
    added = np.array([[-0.2, -0.2, 0.2, 0.2, 0.2]], np.float32)
    y = noise.add_noise(image, added)
    np.testing.assert_allclose(y, [[0.0, 0.0, 0.7, 1.0, 1.0]], atol=1e-7)
    with pytest.raises(ValueError, match=r"shape \(1, 5\), received \(1, 4\)"):
        noise.add_noise(image, added[:, :4])


def test_a_copy_is_made_again_alone_byte_for_byte():
    steps = pipeline.parse_steps(STEPS)
    images = np.stack([drawing(i) for i in range(3)])
    rows = pipeline.augment(images, ["a", "b", "c"], steps, seed=7, copies=4)
    alone = pipeline.augment_copy(images[1], steps, seed=7, name="b", copy=3)
    assert alone.tobytes() == rows[1 * 4 + 3].tobytes()
    assert rows.dtype == np.uint8 and rows.shape == (12, *SIZE)


def test_another_image_changes_no_copy_of_the_others():
    steps = pipeline.parse_steps(STEPS)
    images = np.stack([drawing(i) for i in range(3)])
    three = pipeline.augment(images, ["a", "b", "c"], steps, seed=0, copies=3)
    two = pipeline.augment(images[[0, 2]], ["a", "c"], steps, seed=0, copies=3)
    kept = np.r_[0:3, 6:9]
    assert three[kept].tobytes() == two.tobytes()


def test_more_copies_leave_the_first_ones_alone():
    steps = pipeline.parse_steps(STEPS)
    images = drawing(0)[None]
    few = pipeline.augment(images, ["a"], steps, seed=0, copies=2)
    many = pipeline.augment(images, ["a"], steps, seed=0, copies=5)
    assert many[:2].tobytes() == few.tobytes()


def test_copy_0_is_the_image_and_no_two_copies_are_alike():
    steps = pipeline.parse_steps(STEPS)
    images = np.stack([drawing(0), drawing(0)])
    rows = pipeline.augment(images, ["a", "b"], steps, seed=0, copies=4)
    assert (rows[0] == images[0]).all() and (rows[4] == images[0]).all()
    assert len({row.tobytes() for row in rows}) == 7
    other = pipeline.augment(images, ["a", "b"], steps, seed=1, copies=4)
    assert (other[1:4] != rows[1:4]).any(axis=(1, 2)).all()


def test_any_number_of_opencv_threads_gives_the_same_bytes():
    steps = pipeline.parse_steps(STEPS)
    images = np.stack([drawing(i) for i in range(3)])
    before = cv2.getNumThreads()
    made = []
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            made.append(pipeline.augment(images, list("abc"), steps, seed=0, copies=4))
    finally:
        cv2.setNumThreads(before)
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()


def test_blank_paper_stays_blank_under_every_move():
    steps = pipeline.parse_steps(STEPS[:-1])
    blank = np.full((1, *SIZE), 255, np.uint8)
    assert (pipeline.augment(blank, ["a"], steps, seed=0, copies=20) == 255).all()


def test_moves_are_joined_in_the_order_given():
    steps = pipeline.parse_steps(
        [{"shift": {"portion": 0.1}}, {"flip": {"horizontal": True}}]
    )
    u = stream(2, "augment", "a", 1).uniform(size=4)
    assert u[2] < 0.5  # flipped: else the order makes no difference
    made = pipeline.augment_copy(drawing(0), steps, seed=2, name="a", copy=1)
    shift = geometry.shift((2 * u[0] - 1) * 0.1, (2 * u[1] - 1) * 0.1, SIZE)
    flip = geometry.flip(True, False, SIZE)
    expected = geometry.warp(grey(drawing(0)), flip @ shift)
    np.testing.assert_array_equal(made, np.rint(expected * 255).astype(np.uint8))


def test_noise_after_moves_is_added_to_the_moved_image():
    steps = pipeline.parse_steps(STEPS)
    still = pipeline.parse_steps(STEPS[:-1])
    made = pipeline.augment_copy(drawing(0), steps, seed=0, name="a", copy=1)
    clean = pipeline.augment_copy(drawing(0), still, seed=0, name="a", copy=1)
    change = np.abs(made.astype(int) - clean)
    assert 0 < np.count_nonzero(change) <= round(0.1 * 58 * 36)
    assert change.max() == round(0.2 * 255)


def test_steps_of_no_numbers_are_well():
    assert pipeline.parse_steps([]) == ()
    made = pipeline.augment_copy(drawing(0), (), seed=0, name="a", copy=1)
    np.testing.assert_array_equal(made, drawing(0))


@pytest.mark.parametrize(
    "steps, text",
    [
        ([{"rotat": {}}], r"steps\[0\]: unknown step 'rotat' \(did you mean 'rotate'"),
        ([{"rotate": {"degree": 3}}], r"steps\[0\].rotate: unknown setting 'degree'"),
        ([{"rotate": {}}], "the setting 'degrees' is missing"),
        ([{"noise": {"level": 2, "portion": 0.1}}], r"level: expected a number in"),
        ([{"stretch": {"portion": 1}}], r"portion: expected a number in \[0, 1\)"),
        ([{"flip": {"horizontal": 1}}], "horizontal: expected true or false"),
        ([3], r"steps\[0\]: expected the name of a step"),
        ("rotate", "steps: expected a list of steps"),
    ],
)
def test_a_bad_step_is_named(steps: object, text: str):
    with pytest.raises(SpecError, match=text):
        pipeline.parse_steps(steps)


def test_bad_images_are_named():
    with pytest.raises(InputError, match="a: expected a uint8 image"):
        pipeline.augment_copy(np.zeros(SIZE), (), seed=0, name="a", copy=1)
    with pytest.raises(InputError, match="a: expected a copy of at least 0"):
        pipeline.augment_copy(drawing(0), (), seed=0, name="a", copy=-1)
    with pytest.raises(InputError, match="2 names, 1 different"):
        pipeline.augment(np.stack([drawing(0)] * 2), ["a", "a"], (), seed=0, copies=1)
    with pytest.raises(InputError, match="copies: expected at least 1"):
        pipeline.augment(drawing(0)[None], ["a"], (), seed=0, copies=0)
