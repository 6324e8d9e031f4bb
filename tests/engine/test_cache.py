"""Where what was compiled and measured is kept."""

import os

import pytest

from engine import cache


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """No home that can be written, and a folder for what is temporary."""
    closed = tmp_path / "a file, in which there can be no folder"
    closed.touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(closed))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    return tmp_path / "tmp" / f"ignetlab-cache-{os.getuid()}"


def test_the_users_cache_folder_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache/ignetlab"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache.folder() == tmp_path / "mine/ignetlab"
    assert capsys.readouterr().err == ""


def test_where_it_cannot_be_written_another_is_taken_and_said_once(temporary, capsys):
    assert cache.folder() == temporary / "ignetlab"
    assert capsys.readouterr().err.count(f"is kept in {temporary}, ") == 1
    assert cache.folder() == temporary / "ignetlab"
    assert capsys.readouterr().err == ""
    assert temporary.stat().st_mode & 0o777 == 0o700
    # For libraries that look for theirs.
    assert os.environ["XDG_CACHE_HOME"] == str(temporary)
    assert os.environ["MPLCONFIGDIR"].startswith(str(temporary))


def test_a_user_without_a_home(temporary, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", home)
    assert cache.folder() == temporary / "ignetlab"


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_folder_that_others_may_enter_is_not_taken(temporary, mode, capsys):
    temporary.mkdir()
    temporary.chmod(mode)
    assert temporary not in cache.folder().parents
    assert "is kept nowhere, and XDG_CACHE_HOME can name" in capsys.readouterr().err


def test_a_link_is_not_taken(temporary, tmp_path):
    temporary.symlink_to(tmp_path)
    assert temporary not in cache.folder().parents
