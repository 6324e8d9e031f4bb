"""Which data set is taken, and what is said when one is not there."""

import pytest

from scripts.lib.data import kind, kinds
from scripts.lib.data.generators import drawings
from scripts.lib.study import datasets
from tests.conftest import ROOT

CONFIGS = {
    path.stem: datasets.load(path) for path in (ROOT / "config/datasets").glob("*.yaml")
}
WANTED = ["stirling", "draw-a-person"]


def _check_folder(config, folder):
    kinds.of(config).check_folder(config, folder)


def _choose(data_dir=None, **settings):
    return datasets.choose(WANTED, CONFIGS, data_dir=data_dir, **settings)


def test_without_data_the_stand_in_is_taken_and_says_so():
    choice = _choose()
    assert (choice.dataset, choice.status) == ("embedded-drawings", "stand-in")
    assert choice.stands_in_for == "stirling" and choice.folder is None


def test_the_first_that_is_at_hand_is_taken(tmp_path):
    (tmp_path / "draw-a-person").mkdir()
    choice = _choose(tmp_path)
    assert (choice.dataset, choice.status) == ("draw-a-person", "local")
    (tmp_path / "stirling-drawings").mkdir()
    assert _choose(tmp_path).status == "official"
    assert _choose(tmp_path, dataset="draw-a-person").dataset == "draw-a-person"
    assert _choose(tmp_path, dataset="embedded-drawings").status == "stand-in"


def test_a_missing_data_dir_is_an_error(tmp_path):
    with pytest.raises(
        datasets.DatasetError, match=r"data_dir: expected a folder.*gone"
    ):
        _choose(tmp_path / "gone")


def test_a_data_set_asked_for_by_name_must_be_there(tmp_path):
    with pytest.raises(datasets.DatasetError, match="'stirling-drawings' in data_dir"):
        _choose(tmp_path, dataset="stirling")


def test_download_says_that_there_is_no_checked_archive():
    choice = _choose(download=True)
    assert choice == _choose()
    with pytest.raises(datasets.DatasetError, match="none of stirling is published as"):
        datasets.check_download([choice], CONFIGS)


def test_what_was_used_before_is_not_replaced_in_silence(tmp_path):
    used = ["draw-a-person", "embedded-drawings"]
    text = "draw-a-person was made of it, and .* is gone; put it back"
    with pytest.raises(datasets.DatasetError, match=text):
        _choose(tmp_path, used=used)
    assert (
        _choose(used=used).status == "stand-in"
    )  # no data_dir: it is said at the start
    named = _choose(tmp_path, used=used, dataset="embedded-drawings")
    assert named.status == "stand-in"
    (tmp_path / "stirling-drawings").mkdir()  # comes first
    assert _choose(tmp_path, used=used).dataset == "stirling"
    with pytest.raises(datasets.DatasetError, match="or set download: true"):
        datasets.choose(["cifar-100"], CONFIGS, data_dir=tmp_path, used=["cifar-100"])


@pytest.mark.parametrize("kind", ["a link to /no/such/disk", "a file"])
def test_a_data_set_that_is_no_folder(tmp_path, kind):
    path = tmp_path / "draw-a-person"
    path.touch() if kind == "a file" else path.symlink_to("/no/such/disk")
    with pytest.raises(datasets.DatasetError, match=f"expected a folder.*{kind}"):
        _choose(tmp_path)


def test_a_folder_without_its_table_or_files(tmp_path):
    config = CONFIGS["draw-a-person"]
    text = r"labels\.csv, it is not there; tables that are there: "
    with pytest.raises(datasets.DatasetError, match=f"{text}none"):
        _check_folder(config, tmp_path)
    (tmp_path / "Labels.CSV").touch()
    (tmp_path / "children.xlsx").touch()
    with pytest.raises(datasets.DatasetError, match=f"{text}Labels.CSV, children.xlsx"):
        _check_folder(config, tmp_path)
    (tmp_path / "labels.csv").symlink_to("gone.csv")
    with pytest.raises(datasets.DatasetError, match=text):
        _check_folder(config, tmp_path)
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "labels.csv").touch()
    _check_folder(config, tmp_path)
    with pytest.raises(datasets.DatasetError, match="3 are missing, the first meta"):
        _check_folder(CONFIGS["cifar-100"], tmp_path)


def test_a_data_dir_that_is_no_text_or_nobodys():
    with pytest.raises(datasets.DatasetError, match=r"in UTF-8, received .*a\\xff"):
        datasets.data_dir_of({"data_dir": b"a\xff".decode("utf-8", "surrogateescape")})
    with pytest.raises(datasets.DatasetError, match="write it in full"):
        datasets.data_dir_of({"data_dir": "~nobody-of-this-name/data"})


ARCHIVE = {
    "address": "https://example.org/sets/draw%20a%20person.tar.gz?download=1",
    "checksum": "md5:" + "0" * 32,
    "bytes": 1000,
    "members": {"set/b.png": "b.png", "set/a.png": "below/a.png"},
}


def test_a_published_data_set_is_downloaded_if_that_is_wanted_and_it_is_not_there(
    tmp_path, monkeypatch
):
    person = {**CONFIGS["draw-a-person"], "archive": ARCHIVE, "status": "official"}
    monkeypatch.setitem(CONFIGS, "draw-a-person", person)
    assert _choose() == _choose(tmp_path)
    assert not _choose().downloaded
    for choice in (_choose(download=True), _choose(tmp_path, download=True)):
        assert (choice.dataset, choice.status) == ("draw-a-person", "official")
        assert choice.downloaded and choice.stands_in_for is None
        assert str(choice.folder) == "results/data/draw-a-person/raw"
        datasets.check_download([choice], CONFIGS)
        # Of several experiments' data sets some cannot be downloaded.
        datasets.check_download([choice, _choose()], CONFIGS)
    assert _choose(download=True, dataset="draw-a-person").downloaded
    with pytest.raises(datasets.DatasetError, match=r"by hand, or set download: true$"):
        _choose(dataset="draw-a-person")
    assert not _choose(download=True, dataset="embedded-drawings").downloaded
    (tmp_path / "stirling-drawings").mkdir()
    assert _choose(tmp_path, download=True).dataset == "stirling"
    (tmp_path / "draw-a-person").mkdir()
    local = _choose(tmp_path, download=True, dataset="draw-a-person")
    assert local.folder == tmp_path / "draw-a-person" and not local.downloaded
    datasets.check_download([local, _choose()], CONFIGS)


def test_files_of_an_archive_and_its_place():
    config = {"archive": ARCHIVE}
    assert datasets.archive_files(config) == ["b.png", "below/a.png"]
    path = datasets.archive_path("person", config)
    assert str(path) == "results/data/person/archive/draw%20a%20person.tar.gz"


def test_a_data_dir_that_is_a_data_set_itself_is_an_error(tmp_path):
    (tmp_path / "draw-a-person").mkdir()
    with pytest.raises(datasets.DatasetError, match=f"one of them; give {tmp_path}$"):
        _choose(tmp_path / "draw-a-person")


def test_a_configuration_without_a_key_is_an_error(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\nkind: embedded\nfactors: [sex]\n")
    expected = "mine.yaml: the keys status, address, licence, image are miss"
    with pytest.raises(datasets.DatasetError, match=expected):
        datasets.load(path)


def test_of_the_embedded_set_only_its_own_drawings_count(tmp_path):
    config = {**CONFIGS["embedded-drawings"]}
    config["embedded"] = {"drawings": 5, "children": 2, "seed": 0}
    with pytest.raises(datasets.DatasetError, match="5 are missing, the first"):
        kinds.of(config).files(config, tmp_path)
    for name in drawings.drawing_files(5, 2, 0) + drawings.drawing_files(5, 2, 1):
        (tmp_path / name).write_bytes(b"x")
    assert kinds.of(config).files(config, tmp_path) == [
        *drawings.drawing_files(5, 2, 0)
    ]


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(datasets.DatasetError, match="expected images"):
        kind.list_images(tmp_path, "Drawings")
    with pytest.raises(datasets.DatasetError, match="it is not there"):
        kind.list_images(tmp_path / "gone", "Drawings")
