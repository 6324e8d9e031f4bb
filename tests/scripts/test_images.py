"""Image files to one array: what is read, and what is refused with a reason."""

import csv
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from scripts import images
from scripts.labels import make_labels
from scripts.lib.data import image_decoding, picture_files
from scripts.lib.data.generators import drawings, person
from tests.conftest import ROOT

CONFIG = ROOT / "config/datasets/stirling.yaml"


def _jpeg(value=200, height=80, width=60) -> bytes:
    picture = np.full((height, width), value, np.uint8)
    picture[: height // 2] = 40
    return cv2.imencode(".jpeg", picture)[1].tobytes()


def _png(value=200) -> bytes:
    return cv2.imencode(".png", np.full((80, 60), value, np.uint8))[1].tobytes()


def _bomb() -> bytes:
    """A PNG of a few bytes that claims 60 000 × 60 000 pixels."""
    data = bytearray(_png())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    return bytes(data)


def _with_preview(data: bytes) -> bytes:
    """As cameras write them: a second, whole JPEG in the header."""
    preview = _jpeg(height=16, width=16)
    length = struct.pack(">H", len(preview) + 2)
    return data[:2] + b"\xff\xff\xe1" + length + preview + data[2:]


BAD = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"this is no picture, whatever its name says", "neither JPEG nor PNG"),
    "truncated jpeg": (_jpeg()[: len(_jpeg()) // 2], "truncated: the end of a JPEG"),
    "truncated png": (_png()[:-12], "truncated: the end of a PNG"),
    "bomb": (_bomb(), "60000 × 60000 pixels, expected at most"),
    "headless": (b"\xff\xd8\xff\xd9", "holds no size"),
    "truncated header": (_jpeg()[:100], "truncated: the end of a JPEG"),
    "damaged png": (_png()[:60] + b"\0\0\0\0" + _png()[64:], "cannot decode"),
    "truncated behind its preview": (
        _with_preview(_jpeg())[:-40],
        "truncated: the end of a JPEG",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_say_why(case, tmp_path):
    data, reason = BAD[case]
    path = tmp_path / "p1-1m-5.0f.jpeg"
    path.write_bytes(data)
    with pytest.raises(image_decoding.ImageError, match=reason):
        picture_files.read_image(path, 36, 58)


@pytest.mark.parametrize("encode", [_jpeg, _png])
def test_grey_values_survive_the_shrinking(encode, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(encode())
    image = picture_files.read_image(path, 36, 58)
    assert image.shape == (58, 36) and image.dtype == np.uint8
    assert abs(int(image[-1].mean()) - 200) <= 2


@pytest.mark.parametrize(
    "data", [_with_preview(_jpeg()), _jpeg() + bytes(9000), _png() + bytes(9000)]
)
def test_what_cameras_and_phones_add_does_no_harm(data, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert abs(int(picture_files.read_image(path, 36, 58)[-1].mean()) - 200) <= 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_is_white_paper(dtype, tmp_path):
    full = np.iinfo(dtype).max
    picture = np.zeros((80, 60, 4), dtype)  # black ink, half of it transparent
    picture[40:, :, 3] = full
    picture[20:40, :, 3] = full // 2
    path = tmp_path / "picture.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    image = picture_files.read_image(path, 36, 58)
    assert [int(image[i].max()) for i in (2, 21, 55)] == [255, 128, 0]


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "BYTE_LIMIT", 100)
    path = tmp_path / "picture"
    path.write_bytes(_jpeg())
    with pytest.raises(image_decoding.ImageError, match="bytes, expected at most 100"):
        picture_files.read_image(path, 36, 58)


def test_the_real_drawings_are_all_readable(real_data_dir, tmp_path):
    config = ROOT / "config/datasets/draw-a-person.yaml"
    folder = real_data_dir / "draw-a-person"
    labels, refused = tmp_path / "labels.csv", tmp_path / "unreadable.csv"
    make_labels(config, folder, labels, tmp_path / "rejected.csv")
    images.make_images(config, folder, labels, tmp_path / "images.npz", refused)
    with np.load(tmp_path / "images.npz") as file:
        assert file["images"].shape == (238, 58, 36)
        assert len(set(file["ids"])) == 238
        assert file["images"].mean() > 200  # mostly paper
    assert refused.read_text("utf-8") == "file,reason\n"


def test_shrinking_takes_the_mean_of_an_area(tmp_path):
    path = tmp_path / "picture.png"
    lines = np.full((580, 360), 255, np.uint8)
    lines[:, ::5] = 0  # a fifth of every pixel's area is ink
    path.write_bytes(cv2.imencode(".png", lines)[1].tobytes())
    assert (picture_files.read_image(path, 36, 58) == 204).all()


def _folder(tmp_path, count, bad):
    rows = [f"p1-{i}m-5.0f" for i in range(1, count + 1)]
    for i, name in enumerate(rows):
        data = b"" if i < bad else _jpeg(100 + i)
        (tmp_path / f"{name}.jpeg").write_bytes(data)
    table = "\n".join(f"{name},{name}.jpeg" for name in rows)
    (tmp_path / "labels.csv").write_text(f"sample,file\n{table}\n")
    return (
        CONFIG,
        tmp_path,
        tmp_path / "labels.csv",
        tmp_path / "images.npz",
        tmp_path / "unreadable.csv",
    )


def test_unreadable_images_are_listed_and_left_out(tmp_path):
    arguments = _folder(tmp_path, 40, bad=2)
    images.make_images(*arguments)
    with np.load(arguments[3]) as file:
        assert file["images"].shape == (38, 58, 36)
        assert file["ids"][0] == "p1-3m-5.0f"
    refused = list(csv.DictReader(arguments[4].read_text("utf-8").splitlines()))
    assert [r["file"] for r in refused] == ["p1-1m-5.0f.jpeg", "p1-2m-5.0f.jpeg"]
    first = arguments[3].read_bytes()
    images.make_images(*arguments)
    assert arguments[3].read_bytes() == first


def test_too_many_unreadable_images_stop_the_job(tmp_path):
    arguments = _folder(tmp_path, 40, bad=3)
    with pytest.raises(
        image_decoding.ImageError, match=r"3 of 40 .* at most 5%.*p1-1m"
    ):
        images.make_images(*arguments)
    assert not arguments[3].exists() and not arguments[4].exists()


def test_generated_drawings_are_read(tmp_path):
    drawing = drawings.make_drawings(12, 5, seed=0)[3]
    path = tmp_path / f"{drawing.name}.jpeg"
    path.write_bytes(person.encode(drawing))
    image = picture_files.read_image(path, 36, 58)
    assert image.max() > 225 and image.min() < 190


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_photo_of_a_phone_of_108_million_pixels(tmp_path, orientation):
    """A quarter of the pixels is decoded: the same drawing, and turned as well."""
    small = np.full((1200, 900), 255, np.uint8)
    cv2.circle(small, (300, 300), 200, 30, 40)
    large = cv2.resize(small, (9000, 12000), interpolation=cv2.INTER_NEAREST)
    stored = large if orientation == 1 else np.rot90(large)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / "photo.jpg", exif=exif)
    cv2.imwrite(str(tmp_path / "small.png"), small)
    seen = picture_files.read_image(tmp_path / "photo.jpg", 36, 58).astype(int)
    expected = picture_files.read_image(tmp_path / "small.png", 36, 58)
    assert np.abs(seen - expected).max() <= 2


def test_which_photos_are_decoded_whole(monkeypatch):
    """Up to 100 million pixels every byte of a result is what it always was."""
    asked = []
    monkeypatch.setattr(image_decoding, "_jpeg_size", lambda data: asked[0])
    monkeypatch.setattr(
        image_decoding, "_by_opencv", lambda data, kind, how: asked.append(how)
    )
    for size, how in (
        ((10_000, 10_000), cv2.IMREAD_GRAYSCALE),
        ((12_000, 9_000), cv2.IMREAD_REDUCED_GRAYSCALE_2),
        ((16_320, 12_240), cv2.IMREAD_REDUCED_GRAYSCALE_2),
    ):
        asked[:] = [size]
        image_decoding.decode(b"\xff\xd8\xff", picture_files.PIXEL_LIMIT)
        assert asked[1] == how
    asked[:] = [(20_000, 20_000)]
    with pytest.raises(image_decoding.ImageError, match="save it smaller"):
        image_decoding.decode(b"\xff\xd8\xff", picture_files.PIXEL_LIMIT)


def test_colours_that_must_all_be_held_are_fewer():
    header = struct.pack(">IIBBBBB", 15_000, 9_000, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    with pytest.raises(image_decoding.ImageError, match="at most 125,000,000"):
        image_decoding.decode(data + bytes(4) + image_decoding._PNG_END, 250_000_000)
