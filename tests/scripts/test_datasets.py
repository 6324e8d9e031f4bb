"""Which data set is taken, and what is said when one is not there."""

import pytest

from scripts.lib import datasets
from tests.conftest import ROOT

CONFIGS = {
    path.stem: datasets.load(path) for path in (ROOT / "config/datasets").glob("*.yaml")
}
WANTED = ["stirling", "draw-a-person"]


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
    with pytest.raises(datasets.DatasetError, match="published as an archive"):
        _choose(download=True)


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(datasets.DatasetError, match="expected images"):
        datasets.list_images(tmp_path, "Drawings")
    with pytest.raises(datasets.DatasetError, match="it is not there"):
        datasets.list_images(tmp_path / "gone", "Drawings")
