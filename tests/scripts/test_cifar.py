"""CIFAR-100's files: read without running what a pickle says, or refused."""

import os
import pickle

import numpy as np
import pytest

from scripts.lib.data import cifar_files
from scripts.lib.data.generators import textures


@pytest.fixture
def folder(tmp_path):
    """The generated stand-in, 200 and 100 images."""
    (tmp_path / "meta").write_bytes(cifar_files.encode_names(*textures.names()))
    for part, count in (("train", 200), ("test", 100)):
        batch = textures.make(part, count, seed=0)
        (tmp_path / part).write_bytes(cifar_files.encode(batch))
    return tmp_path


def test_what_is_written_is_read_again(folder):
    made = textures.make("train", 200, seed=0)
    read = cifar_files.read_batch(folder / "train", 100, 20)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.fine, made.fine)
    np.testing.assert_array_equal(read.coarse, made.coarse)
    assert cifar_files.read_names(folder / "meta") == textures.names()


def test_labels_and_images_agree_in_their_order(folder):
    rows = cifar_files.label_rows(folder)
    ids, images = cifar_files.read_images(folder)
    assert [row["sample"] for row in rows] == ids
    assert ids[0] == "train-00000" and ids[200] == "test-00000"
    assert [row["part"] for row in rows] == ["train"] * 200 + ["test"] * 100
    assert images.shape == (300, 3, 32, 32) and images.dtype == np.uint8
    fine, coarse = textures.names()
    for row in rows:
        assert fine.index(row["class"]) // 5 == coarse.index(row["superclass"])
    assert {row["class"] for row in rows[:200]} == set(fine)


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {b"data": x}, lambda x: [x]])
def test_a_pickle_that_runs_a_program_is_refused_and_does_not_run(
    wrap, protocol, tmp_path
):
    path, made = tmp_path / "train", tmp_path / "made"
    path.write_bytes(pickle.dumps(wrap(Malicious(made)), protocol=protocol))
    with pytest.raises(cifar_files.CifarError, match=r"(posix|nt)\.mkdir"):
        cifar_files.read_batch(path, 100, 20)
    assert not made.exists()
    pickle.loads(path.read_bytes())  # it would have run
    assert made.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"csubprocess\nPopen\n(S'true'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"c_codecs\nlookup\n(S'x'\ntR.",
        b"cscripts.lib.data.cifar_files\nread_pickle\n(S'x'\ntR.",
    ],
)
def test_other_names_are_refused(text, tmp_path):
    path = tmp_path / "meta"
    path.write_bytes(text)
    with pytest.raises(cifar_files.CifarError, match="only arrays, lists"):
        cifar_files.read_names(path)


def test_files_of_numpy_before_2_are_read(tmp_path):
    """The official files were written by Python 2 and name numpy.core.multiarray."""
    made = textures.make("test", 100, seed=1)
    content = cifar_files.encode(made)
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy" in old
    (tmp_path / "test").write_bytes(old)
    read = cifar_files.read_batch(tmp_path / "test", 100, 20)
    np.testing.assert_array_equal(read.images, made.images)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_pickle_is_read(protocol, tmp_path):
    content = {**changed(), b"batch_label": b"a text"}
    (tmp_path / "test").write_bytes(pickle.dumps(content, protocol=protocol))
    read = cifar_files.read_batch(tmp_path / "test", 100, 20)
    made = textures.make("test", 100, seed=0)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.coarse, made.coarse)


def test_a_file_with_wrong_bytes_is_read_or_refused(tmp_path, capfd):
    """NumPy's own classes, given such states, complain of damaged memory."""
    whole = cifar_files.encode(textures.make("test", 100, seed=0))
    places = [*range(260), *range(len(whole) - 1200, len(whole))]
    draws = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for place in draws.choice(places, 3):
            damaged[place] = draws.integers(256)
        (tmp_path / "test").write_bytes(damaged)
        try:
            cifar_files.read_batch(tmp_path / "test", 100, 20)
        except cifar_files.CifarError:
            refused += 1
    assert refused > 200
    assert capfd.readouterr().err == ""


def test_every_truncated_file_is_refused(folder):
    path = folder / "test"
    whole = path.read_bytes()
    for length in [0, 1, 2, 10, 100, *range(1000, len(whole), 29_989), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(
            cifar_files.CifarError, match=r"test: .*(truncated|no file)"
        ):
            cifar_files.read_batch(path, 100, 20)


def changed(**values):
    batch = textures.make("test", 100, seed=0)
    content = pickle.loads(cifar_files.encode(batch), encoding="bytes")
    for key, value in values.items():
        if value is None:
            del content[key.encode()]
        else:
            content[key.encode()] = value
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1, 2], "it holds a list, expected a dict"),
        (changed(data=None), "expected the key 'data'"),
        (changed(data=np.zeros((100, 3071), np.uint8)), r"expected uint8 \(n, 3072\)"),
        (changed(data=np.zeros((100, 3072))), "data: expected uint8"),
        (changed(data=np.zeros((0, 3072), np.uint8)), "only arrays"),
        (changed(data=b"pixels"), "data: expected uint8"),
        (changed(fine_labels=None), "expected the key 'fine_labels'"),
        (
            changed(fine_labels=[0] * 99),
            "expected 100 classes of 0 ... 99, received 99",
        ),
        (changed(fine_labels=[100] * 100), "fine_labels: expected"),
        (changed(fine_labels=[-1] * 100), "fine_labels: expected"),
        (changed(coarse_labels=[20] * 100), "coarse_labels: expected"),
        (changed(coarse_labels=["a"] * 100), "coarse_labels: expected"),
    ],
)
def test_a_wrong_file_is_refused_in_plain_words(content, told, tmp_path):
    path = tmp_path / "test"
    path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(cifar_files.CifarError, match=f"{path}.*{told}"):
        cifar_files.read_batch(path, 100, 20)


@pytest.mark.parametrize(
    "names", [{}, {b"fine_label_names": 3}, {b"fine_label_names": [b"a", b"a"]}]
)
def test_wrong_names_are_refused(names, tmp_path):
    path = tmp_path / "meta"
    path.write_bytes(pickle.dumps(names))
    with pytest.raises(cifar_files.CifarError, match="fine_label_names"):
        cifar_files.read_names(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        cifar_files.CifarError, match=r"train: it is not there; expected"
    ):
        cifar_files.read_batch(tmp_path / "train", 100, 20)


def test_a_file_of_unlikely_size_is_not_read(tmp_path):
    path = tmp_path / "train"
    with open(path, "wb") as file:
        file.truncate(cifar_files.SIZE_LIMIT + 1)  # a hole, no disk
    with pytest.raises(
        cifar_files.CifarError, match="1,000,000,001 bytes, expected at most"
    ):
        cifar_files.read_batch(path, 100, 20)


def test_textures_are_a_function_of_the_seed():
    one, again, other = (textures.make("train", 100, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.images, again.images)
    assert (one.images != other.images).any()
    assert np.bincount(one.fine, minlength=100).tolist() == [1] * 100


def test_real_files_are_read(real_data):
    folder = real_data("cifar-100-python")
    fine, coarse = cifar_files.read_names(folder / "meta")
    assert (len(fine), len(coarse)) == (100, 20)
    batch = cifar_files.read_batch(folder / "test", 100, 20)
    assert batch.images.shape == (10000, 3, 32, 32)
    assert np.bincount(batch.fine).tolist() == [100] * 100
