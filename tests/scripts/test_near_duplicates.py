"""Near-duplicates of photographs: planted ones are found, different ones are not."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from scripts.figures import make_near_duplicates
from scripts.lib.data import cifar_files
from scripts.lib.io.files import read_json, write_csv, write_json, write_npz
from scripts.lib.leak import whitened_matches
from scripts.lib.leak.whitened_matches import PictureError
from scripts.near_duplicates import find_near_duplicates
from tests.scripts.test_ladder import rows_of

LEARN, TEST, CLASSES = 600, 120, 6


def photographs(n, seed):
    """Return uint8 (n, 3, 32, 32): noise with the spectrum of photographs, 1 / f."""
    rng = np.random.default_rng(seed)
    noise = np.fft.fft2(rng.normal(size=(n, 3, 32, 32)))
    noise[:, 1:] = 0.7 * noise[:, :1] + 0.3 * noise[:, 1:]  # colours go together
    f = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32))
    f[0, 0] = 1
    images = np.fft.ifft2(noise / f).real
    images /= images.std(axis=(1, 2, 3), keepdims=True)
    # Dark and bright, flat and rich in contrast.
    level, contrast = rng.uniform([[90], [30]], [[166], [55]], (2, n))[
        ..., None, None, None
    ]
    return np.clip(level + contrast * images, 0, 255).astype(np.uint8)


def seen_as(image, change):
    """Apply a change to (h, w, 3) pixels; (3, h, w) in and out."""
    return change(np.ascontiguousarray(image.transpose(1, 2, 0))).transpose(2, 0, 1)


def compress(pixels):
    return cv2.imdecode(
        cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1
    )


def brighten(pixels):
    return np.clip(0.8 * pixels.astype(float) + 50, 0, 255).astype(np.uint8)


def crop(pixels, margin=1):
    inner = pixels[margin:-margin, margin:-margin]
    return cv2.resize(inner, (32, 32), interpolation=cv2.INTER_AREA)


PLANTED = {
    "identical": lambda p: p,
    "brighter": brighten,
    "compressed": compress,
    "cropped": crop,
    "moved": lambda p: np.pad(p, ((0, 0), (2, 0), (0, 0)), "edge")[:, :32],
    "mirrored": lambda p: p[:, ::-1],
    "mirrored and compressed": lambda p: compress(p[:, ::-1].copy()),
}


class Sides:
    """Both sides of a split as the step `parts` leaves them, and what was found."""

    def __init__(self, folder, test, learn, classes):
        self.folder = folder
        self.ids = [f"train-{i}" for i in range(len(learn))]
        self.ids += [f"test-{i}" for i in range(len(test))]
        rows = [
            {"sample": i, "class": c} for i, c in zip(self.ids, classes, strict=True)
        ]
        write_csv(folder / "labels.csv", ["sample", "class"], rows)
        for name, images in (("learn", learn), ("test", test)):
            ids = [i for i in self.ids if i.startswith("train") == (name == "learn")]
            write_npz(folder / f"{name}.npz", images=images, ids=np.array(ids))

    def find(self, name="found", target="class"):
        stem = self.folder / name
        find_near_duplicates(
            SimpleNamespace(
                **{k: self.folder / f"{k}.npz" for k in ("learn", "test")},
                labels=self.folder / "labels.csv",
                target=target,
                dataset="photos",
                output_stem=stem,
            )
        )
        return rows_of(f"{stem}.csv"), read_json(f"{stem}.json")

    def draw(self, output, status="official"):
        source = self.folder / "source.json"
        write_json(source, {"dataset": "photos", "status": status})
        make_near_duplicates(
            SimpleNamespace(
                found=self.folder / "found.json",
                pairs=self.folder / "found.npz",
                source=source,
                scale="smoke",
                output=output,
            )
        )


def classes_of(n, test):
    return [f"c{i % CLASSES}" for i in range(n)] + [
        f"c{i % CLASSES}" for i in range(test)
    ]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Test image i is a changed copy of training image 7 i, and of the same class."""
    learn, test = photographs(LEARN, 1), photographs(TEST, 2)
    classes = classes_of(LEARN, TEST)
    for i, change in enumerate(PLANTED.values()):
        test[i] = seen_as(learn[7 * i], change)
        classes[LEARN + i] = classes[7 * i]
    classes[LEARN] = "c5"  # one picture with two labels
    return Sides(tmp_path_factory.mktemp("planted"), test, learn, classes)


@pytest.fixture(scope="module")
def found(planted):
    return planted.find()


@pytest.mark.parametrize("change", PLANTED)
def test_a_planted_copy_is_found(found, change):
    rows = {row["test"]: row for row in found[0]}
    number = list(PLANTED).index(change)
    assert f"test-{number}" in rows, "not found"
    row = rows[f"test-{number}"]
    assert row["train"] == f"train-{7 * number}"
    assert row["mirrored"] == ("yes" if "mirrored" in change else "no")
    assert row["kind"] == ("identical" if change == "identical" else "near")
    assert row["same_class"] == ("no" if change == "identical" else "yes")
    exact = change in ("identical", "mirrored")
    assert (row["pixel"] == "0.0") == exact and (row["hash"] == "0") >= exact


def test_no_pair_of_different_pictures_is_found(found):
    rows, about = found
    assert len(rows) == len(PLANTED) == about["near_duplicates"]
    assert (about["identical"], about["mirrored"]) == (1, 2)
    assert about["same_class"] == len(PLANTED) - 1
    assert about["threshold"] == {"correlation": 0.8, "components": 128}
    # The copy with another label is no alarm.
    assert about["false_alarms"]["taken_for_near_duplicates"] == 0
    assert about["false_alarms"]["upside_down_test_images_at"]["0.75"] == 0


def test_a_picture_that_agrees_in_every_pixel_comes_first(tmp_path):
    """... before another whose vector is the same, but for rounding."""
    learn, test = photographs(LEARN, 1), photographs(8, 2)
    learn[300:308] = test
    learn[100:108] = np.pad(test, ((0, 0), (0, 0), (0, 0), (0, 2)), "edge")[..., 2:]
    rows, about = Sides(tmp_path, test, learn, classes_of(LEARN, 8)).find()
    assert [row["train"] for row in rows] == [f"train-{300 + i}" for i in range(8)]
    assert {row["correlation"] for row in rows} == {"1.0"}
    assert about["identical"] == 8


def test_what_is_not_found_is_a_smaller_part_of_a_picture(tmp_path):
    """... and a turned one: the docstring says that such are missed."""
    learn, test = photographs(LEARN, 1), photographs(8, 2)
    test[0] = seen_as(learn[0], lambda p: crop(p, margin=6))
    turn = cv2.getRotationMatrix2D((15.5, 15.5), 25, 1)
    test[1] = seen_as(learn[7], lambda p: cv2.warpAffine(p, turn, (32, 32)))
    rows, _ = Sides(tmp_path, test, learn, classes_of(LEARN, 8)).find()
    assert rows == []


def test_the_same_bytes_again(planted, found):
    planted.find("again")
    for ending in ("csv", "npz"):
        one, other = (planted.folder / f"{n}.{ending}" for n in ("found", "again"))
        assert one.read_bytes() == other.read_bytes()


def test_closest_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(whitened_matches, "_TILE", (7, 11))
    learn, test = photographs(40, 3), photographs(15, 4)
    test[3] = learn[25, :, :, ::-1]
    white = whitened_matches.learn_whitening(learn)
    kinds = np.arange(15) % 2, np.arange(40) % 2
    closest = whitened_matches.find_closest(test, learn, white, *kinds)
    assert closest.apart == 15 * 20
    cells = learn.reshape(40, 3, 8, 4, 8, 4).mean(axis=(3, 5)).reshape(40, -1)
    scores = (cells - cells.mean(axis=0)) @ white.basis
    np.testing.assert_allclose(np.cov(scores.T, bias=True), np.eye(20), atol=2e-3)
    for i, image in enumerate(test):
        best = []
        for turned in (image, image[..., ::-1]):
            for dy, dx in ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)):
                view = np.pad(turned, ((0, 0), (2, 2), (2, 2)), "edge")
                view = view[:, 2 + dy : 34 + dy, 2 + dx : 34 + dx]
                x = view.reshape(3, 8, 4, 8, 4).mean(axis=(2, 4)).ravel()
                x = (x - cells.mean(axis=0)) @ white.basis
                cosines = scores @ x / np.linalg.norm(scores, axis=1)
                best.append(cosines / np.linalg.norm(x))
        expected = np.max(best, axis=0)
        assert closest.correlations[i] == pytest.approx(expected.max(), abs=1e-4)
        assert closest.places[i] == expected.argmax()
        assert closest.mirrored[i] == (np.argmax(np.max(best, axis=1)) >= 5)


def test_the_threshold_rises_where_different_classes_look_alike(tmp_path):
    learn, test = photographs(LEARN, 1), photographs(TEST, 2)
    # 40 test images have a copy of another class, more or less like them.
    mixed = 0.8 * test[:40].astype(float) + 0.2 * photographs(40, 5)
    learn[:40] = mixed.astype(np.uint8)
    classes = classes_of(LEARN, TEST)
    classes[:40] = ["other"] * 40
    rows, about = Sides(tmp_path, test, learn, classes).find()
    alarms = about["false_alarms"]
    taken, pairs = (
        alarms["taken_for_near_duplicates"],
        alarms["pairs_of_different_classes"],
    )
    assert about["threshold"]["correlation"] > 0.9
    assert taken <= 1e-6 * pairs
    assert all(
        float(r["correlation"]) >= about["threshold"]["correlation"] for r in rows
    )


@pytest.mark.parametrize("near", [True, False])
def test_the_pairs_are_drawn(planted, found, tmp_path, near):
    sides = planted
    if not near:
        learn, test = photographs(300, 8), photographs(20, 9)
        sides = Sides(tmp_path, test, learn, classes_of(300, 20))
        rows, _ = sides.find()
        assert rows == []
    for name in ("one.png", "two.png"):
        sides.draw(tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    sides.draw(tmp_path / "stand-in.png", status="stand-in")
    assert (tmp_path / "one.png").read_bytes() != (
        tmp_path / "stand-in.png"
    ).read_bytes()


def test_what_does_not_fit_is_told(planted, tmp_path):
    learn, test = photographs(20, 1), photographs(10, 2)
    with pytest.raises(PictureError, match="expected a column kind, received sample"):
        planted.find("kind", target="kind")
    assert not (planted.folder / "kind.csv").exists()
    classes = classes_of(20, 10)
    for name, changed, told in (
        ("sizes", (test[:, :, :24, :24], learn), r"expected pictures of \(3, 32, 32\)"),
        (
            "odd",
            (test[..., :30, :30], learn[..., :30, :30]),
            "multiples of 8 px, .* 30",
        ),
        (
            "alike",
            (test, np.repeat(learn[:1], 20, axis=0)),
            "expected pictures that dif",
        ),
        ("grey", (test[:, 0], learn[:, 0]), r"expected uint8 images .* \(10, 32, 32\)"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        sides = Sides(folder, *changed, classes)
        with pytest.raises(PictureError, match=told):
            sides.find()
    sides = Sides(tmp_path, test, learn, classes)
    rows = rows_of(tmp_path / "labels.csv")[:-2]
    write_csv(tmp_path / "labels.csv", ["sample", "class"], rows)
    with pytest.raises(PictureError, match="2 have none, the first is 'test-8'"):
        sides.find()


def test_real_photographs(real_data, tmp_path):
    """Pairs of CIFAR-100 that Barz and Denzler found by eye: test and train numbers."""
    exact = {1100: 24083, 4716: 29363, 2996: 30697, 3932: 21619, 5564: 25390}
    exact |= {6526: 37654, 1357: 32205, 2615: 28538, 3499: 28189, 9524: 15597}
    near = {104: 28984, 112: 28379, 168: 22041, 259: 48863, 276: 6455, 389: 33781}
    mirrored = {1166: 8166, 1859: 414, 2143: 41273, 3249: 18609, 3905: 18246}
    pairs = exact | near | mirrored
    folder = real_data("cifar-100-python")
    test, learn = (
        cifar_files.read_batch(folder / part, 100, 20) for part in ("test", "train")
    )
    chosen = [*pairs, *range(5000, 5200)]
    known = sorted({*pairs.values(), *range(0, 50000, 10)})
    classes = [*learn.fine[known].tolist(), *test.fine[chosen].tolist()]
    sides = Sides(tmp_path, test.images[chosen], learn.images[known], classes)
    rows, about = sides.find()
    found = {chosen[int(r["test"][5:])]: known[int(r["train"][6:])] for r in rows}
    assert pairs.items() <= found.items()
    by_number = {chosen[int(row["test"][5:])]: row for row in rows}
    told = {n for n, row in by_number.items() if row["kind"] == "identical"}
    assert told == set(exact)
    told = {n for n, row in by_number.items() if row["mirrored"] == "yes"}
    assert told >= set(mirrored) and not told & (set(exact) | set(near))
    # Of 200 others a tenth of the training images holds a partner of few, if any.
    assert len(found) - len(pairs) <= 4
    assert about["threshold"]["correlation"] == 0.8
