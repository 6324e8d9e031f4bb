"""Kinds of data sets: labels and images from small files, and from real ones."""

import gzip

import cv2
import numpy as np
import pytest
from PIL import Image

from scripts import fetch, images, labels
from scripts.lib.data import idx_files, image_decoding, kinds
from scripts.lib.data.configured import DatasetError
from scripts.lib.io import tables
from scripts.lib.io.schema import problems
from tests.conftest import ROOT

SCHEMA = ROOT / "workflow/schemas/dataset.schema.yaml"
RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


def described(kind, image, **more):
    base = {"title": "Mine", "status": "local", "kind": kind, "folder": "mine"}
    base |= {"address": "here", "licence": "ours", "stratify": "class"}
    return base | {"factors": ["class"], "image": image} | more


def read(tmp_path, config, folder):
    """Return (rows of labels.csv, images, unreadable rows) as the steps write them."""
    assert problems(config, SCHEMA, "mine.yaml") == []
    assert list(kinds.of(config).problems(config)) == []
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    file = tmp_path / "mine.yaml"
    file.write_text(str(config))  # a dict of texts and numbers is YAML, too
    fetch.fetch(file, folder, out / "source.json", dataset="mine")
    labels.make_labels(file, folder, out / "labels.csv", out / "rejected.csv")
    images.make_images(
        file, folder, out / "labels.csv", out / "images.npz", out / "unreadable.csv"
    )
    with np.load(out / "images.npz") as arrays:
        pixels, ids = arrays["images"], arrays["ids"].tolist()
    rows = tables.read(out / "labels.csv")
    assert ids == [row["sample"] for row in rows]
    return rows, pixels, (out / "rejected.csv").read_text("utf-8")


# --- idx ----------------------------------------------------------------------


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return head + values.astype(np.uint8).tobytes()


def write_idx(folder, prefix="", test="t10k", packed=True, numbers=(0, 2, 11)):
    """Write 3 training and 2 test images of 2 rows and 3 columns."""
    folder.mkdir(exist_ok=True)
    pixels = np.arange(30).reshape(5, 2, 3)
    for part, rows in (("train", slice(0, 3)), (test, slice(3, 5))):
        known = np.array([*numbers, 1, 0])[rows]
        for what, values in (("images-idx3", pixels[rows]), ("labels-idx1", known)):
            name = f"{prefix}{part}-{what}-ubyte{'.gz' if packed else ''}"
            data = idx(values)
            (folder / name).write_bytes(gzip.compress(data) if packed else data)
    return pixels


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("prefix", "test"), [("", "t10k"), ("emnist-x-", "test")])
def test_idx_files_of_any_official_name(tmp_path, packed, prefix, test):
    pixels = write_idx(tmp_path / "mine", prefix, test, packed)
    config = described("idx", {"width": 3, "height": 2})
    rows, found, _ = read(tmp_path, config, tmp_path / "mine")
    assert (found == pixels[:, None]).all() and found.shape == (5, 1, 2, 3)
    assert [row["class"] for row in rows] == ["00", "02", "11", "01", "00"]
    assert [row["part"] for row in rows] == ["train"] * 3 + ["test"] * 2
    assert all(row["group"] == row["sample"] for row in rows)
    assert list(rows[0]) == ["sample", "file", "group", "class", "part"]


def test_transposed_images_are_turned_back(tmp_path):
    pixels = write_idx(tmp_path / "mine")
    config = described("idx", {"width": 2, "height": 3}, transposed=True)
    _, found, _ = read(tmp_path, config, tmp_path / "mine")
    assert (found[:, 0] == pixels.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("given", ["list", "file"])
def test_names_of_classes(tmp_path, given):
    write_idx(tmp_path / "mine", numbers=(0, 2, 1))
    (tmp_path / "mine/map.txt").write_text("0 48\n1 65\n2 97\n")
    classes = ["0", "A", "a"] if given == "list" else "map.txt"
    config = described("idx", {"width": 3, "height": 2}, classes=classes)
    rows, _, _ = read(tmp_path, config, tmp_path / "mine")
    assert [row["class"] for row in rows] == ["0", "a", "A", "A", "0"]


def test_what_is_wrong_with_idx_files_is_named(tmp_path):
    folder, image = tmp_path / "mine", {"width": 3, "height": 2}
    config = described("idx", image)
    with pytest.raises(DatasetError, match=r"expected the folder .*mine"):
        kinds.of(config).check_folder(config, folder)
    folder.mkdir()
    (folder / "readme").touch()
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte.gz .*are readme"):
        kinds.of(config).check_folder(config, folder)
    write_idx(folder)
    write_idx(folder, "emnist-letters-", "test")
    with pytest.raises(DatasetError, match="say which by `prefix`"):
        kinds.of(config).check_folder(config, folder)
    config["prefix"] = "emnist-letters-"
    kinds.of(config).check_folder(config, folder)
    with pytest.raises(DatasetError, match=r"3 × 2 pixels .* received 28 × 28"):
        read(tmp_path, {**config, "image": {"width": 28, "height": 28}}, folder)
    with pytest.raises(DatasetError, match="image 2 is of class 11; classes: exp"):
        read(tmp_path, {**config, "classes": ["a", "b", "c"]}, folder)
    wrong = {**config, "factors": ["sex"], "image": {**image, "channels": 3}}
    told = list(kinds.of(wrong).problems(wrong))
    assert [line.partition(":")[0] for line in told] == ["factors", "image.channels"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data[:-1], "received 29; fetch it again"),
        (lambda data: data + b"x", "received more; fetch it again"),
        (lambda data: data[:9], "begins with"),
        (lambda data: b"\0\0\x0d\3" + data[4:], r"begins with .*, received b'\\x00"),
        (lambda data: data[:4] + bytes(4) + data[8:], "its head says 0"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "values, its head says"),
        (lambda data: gzip.compress(data)[:-9], "truncated or damaged"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, change, text):
    path = tmp_path / "file"
    path.write_bytes(change(idx(np.arange(30).reshape(5, 2, 3))))
    with pytest.raises(idx_files.IdxError, match=text):
        idx_files.read(path, 3)


def test_fashion_mnist_is_read_whole(tmp_path, real_data):
    names = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
    names += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    config = described("idx", {"width": 28, "height": 28}, classes=names)
    rows, found, _ = read(tmp_path, config, real_data("fashion-mnist"))
    assert found.shape == (70_000, 1, 28, 28)
    parts = [row["part"] for row in rows]
    assert (parts.count("train"), parts.count("test")) == (60_000, 10_000)
    assert {name: 0 for name in names} == {row["class"]: 0 for row in rows}
    assert rows[0]["class"] == "Ankle boot"  # as its page shows
    # A pair of trousers is wider at the hips than between its legs.
    trousers = found[[row["class"] == "Trouser" for row in rows], 0].mean(axis=0)
    assert trousers[3, 13] > trousers[24, 13] + 50


def test_emnist_letters_stand_upright(tmp_path, real_data):
    config = described(
        "idx",
        {"width": 28, "height": 28},
        transposed=True,
        classes="emnist-balanced-mapping.txt",
    )
    rows, found, _ = read(tmp_path, config, real_data("emnist-balanced"))
    assert len({row["class"] for row in rows}) == 47
    means = {
        name: found[[row["class"] == name for row in rows], 0].mean(axis=0)
        for name in "LT"
    }
    assert means["L"][20:].sum() > 1.5 * means["L"][:8].sum()
    assert means["T"][:8].sum() > means["T"][20:].sum()


# --- folders ------------------------------------------------------------------


def paint(path, colour, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.mark.parametrize(("channels", "shape"), [(3, (4, 3, 6, 8)), (1, (4, 6, 8))])
def test_a_folder_for_each_class(tmp_path, capsys, channels, shape):
    folder = tmp_path / "mine"
    paint(folder / "rose/a.png", RED)
    paint(folder / "rose/more/b.jpg", BLUE, (9, 50))
    paint(folder / "tulip/a.gif", 200, (300, 300), "L")
    paint(folder / "tulip/d.webp", GREEN)
    paint(folder / "tulip/.hidden.png", GREEN)
    image = {"width": 8, "height": 6, "channels": channels}
    config = described("folders", image)
    rows, found, rejected = read(tmp_path, config, folder)
    samples = ["rose/a.png", "rose/more/b.jpg", "tulip/a.gif", "tulip/d.webp"]
    assert [row["sample"] for row in rows] == samples
    assert [row["class"] for row in rows] == ["rose", "rose", "tulip", "tulip"]
    assert found.shape == shape and ".hidden.png" in rejected
    if channels == 3:
        means = found.mean(axis=(2, 3)).round().tolist()
        expected = [RED, BLUE, (200, 200, 200), GREEN]
        assert np.abs(np.array(means) - expected).max() <= 3
    assert capsys.readouterr().err == ""  # what becomes of colours was said


def test_parts_in_folders_of_their_own(tmp_path):
    folder = tmp_path / "mine"
    for name in ("learn/a/1.png", "learn/b/2.png", "check/a/1.png", "rest/a/1.png"):
        paint(folder / name, RED)
    config = described(
        "folders",
        {"width": 8, "height": 6, "channels": 3},
        parts={"train": "learn", "test": "check"},
    )
    rows, _, rejected = read(tmp_path, config, folder)
    assert {row["sample"]: (row["class"], row["part"]) for row in rows} == {
        "learn/a/1.png": ("a", "train"),
        "learn/b/2.png": ("b", "train"),
        "check/a/1.png": ("a", "test"),
    }
    assert "rest/a/1.png" in rejected and kinds.has_parts(config)


def test_images_outside_of_a_class_and_unsaid_channels_are_told(tmp_path):
    folder = tmp_path / "mine"
    for i in range(30):
        paint(folder / f"a/{i}.png", RED)
    paint(folder / "lost.png", RED)
    image = {"width": 8, "height": 6, "channels": 1}
    _, _, rejected = read(tmp_path, described("folders", image), folder)
    assert 'lost.png,rejected,"expected CLASS/NAME' in rejected
    config = described("folders", {"width": 8, "height": 6})
    (told,) = kinds.of(config).problems(config)
    assert told == "image.channels: expected 1 (grey) or 3 (colour), received none"


def test_the_middle_of_a_photo_is_kept_where_it_is_asked_for(tmp_path):
    folder = tmp_path / "mine"
    photo = np.zeros((60, 100, 3), np.uint8)
    photo[:, 20:80] = 255
    (folder / "a").mkdir(parents=True)
    cv2.imwrite(str(folder / "a/1.png"), photo)
    image = {"width": 10, "height": 10, "channels": 1}
    whole = read(tmp_path, described("folders", image), folder)[1]
    middle = read(tmp_path, described("folders", {**image, "fit": "crop"}), folder)[1]
    assert whole[0, 5, 0] == 0 and middle.min() == 255


def test_flowers_are_read_in_colour(tmp_path, real_data):
    folder = real_data("flowers")
    image = {"width": 16, "height": 16, "channels": 3, "fit": "crop"}
    rows, found, _ = read(tmp_path, described("folders", image), folder)
    classes = {"daisy", "dandelion", "rose", "sunflower", "tulip"}
    assert {row["class"] for row in rows} == classes
    yellow = found[[row["class"] == "sunflower" for row in rows]].mean(axis=(0, 2, 3))
    assert yellow[0] > yellow[2] + 20  # more red than blue
    assert len(rows) > 4000


# --- labels.csv ---------------------------------------------------------------


def test_groups_and_parts_and_no_age_in_a_table(tmp_path, capsys):
    folder = tmp_path / "mine"
    for name in "abc":
        paint(folder / f"{name}.png", RED)
    lines = ["file,writer,letter,side", "a.png,w1,A,train", "b.png,w2,B,test"]
    (folder / "labels.csv").write_text("\n".join([*lines, "c.png,w1,B,train", ""]))
    config = described(
        "labels_csv",
        {"width": 8, "height": 6},
        factors=["letter"],
        stratify="letter",
        columns={"group": "writer", "part": "side"},
    )
    rows, _, _ = read(tmp_path, config, folder)
    assert list(rows[0]) == ["sample", "file", "group", "letter", "part"]
    assert [(r["group"], r["part"]) for r in rows] == [
        ("w1", "train"),
        ("w2", "test"),
        ("w1", "train"),
    ]
    told = capsys.readouterr().err
    assert "warning: Mine: 3 of 3 images have colour, which is lost, the first" in told
    assert "a.png; say so by `image: {channels: 1}`" in told
    (folder / "labels.csv").write_text("\n".join([*lines, "c.png,w1,B,Test", ""]))
    with pytest.raises(ValueError, match="part: expected train or test, received 'Te"):
        read(tmp_path, config, folder)


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "tif", "webp", "gif"])
def test_colours_of_any_kind_of_file(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    picture = np.full((16, 24, 3), 255, np.uint8)
    picture[:8, :12] = RED
    picture[8:, 12:] = BLUE
    Image.fromarray(picture).save(path, quality=95)
    data = path.read_bytes()
    found = image_decoding.decode(data, 10_000, 3)
    assert np.abs(found.astype(int) - picture)[2:14:11, 2:22:19].max() < 40
    assert image_decoding.has_colour(data, 10_000)
    grey = Image.fromarray(picture).convert("L").convert("RGB")
    grey.save(path, quality=95)
    assert not image_decoding.has_colour(path.read_bytes(), 10_000)


def test_a_transparent_photo_in_colour_is_turned_and_lies_on_white(tmp_path):
    picture = np.zeros((2, 4, 4), np.uint8)
    picture[0, 0] = (*RED, 255)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    found = image_decoding.decode((tmp_path / "a.png").read_bytes(), 1000, 3)
    assert found.shape == (4, 2, 3)
    assert found[0, 1].tolist() == [*RED] and found[2, 0].tolist() == [255] * 3
