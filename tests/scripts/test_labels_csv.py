"""A folder of drawings and its table: names, children, and what else lies there."""

import os
import unicodedata

import pytest

from scripts.labels import make_labels
from scripts.lib.data import image_files, labels, labels_csv
from tests.conftest import ROOT

CONFIG = {"factors": ["hand", "age_months"]}
HEAD = "file,child,age_months,hand\n"


def _nfd(text):
    return unicodedata.normalize("NFD", text)


def _read(tmp_path, listed, present, config=CONFIG, children=None):
    """Read labels of the `listed` names where the files `present` lie in the folder."""
    folder = tmp_path / "drawings"
    for name in present:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    children = children or [f"c{i}" for i in range(len(listed))]
    rows = [
        f'"{name}","{child}",70,left\n'
        for name, child in zip(listed, children, strict=True)
    ]
    (folder / "labels.csv").write_text(HEAD + "".join(rows), "utf-8")
    files = image_files.list_files(folder, image_files.IMAGE_SUFFIXES)
    found = labels_csv.from_csv(folder, files, config, "Drawings")
    labels.list_leftovers(found, image_files.walk(folder))
    return found


FOUND = [  # (listed, on disk)
    ("Jörg.jpg", _nfd("Jörg.jpg")),
    (_nfd("Jörg.jpg"), "Jörg.jpg"),
    ("a.jpg", "a.JPG"),
    ("A.JPG", "a.jpg"),
    ("a.jpg", "a.jpeg"),
    ("a.JPEG", "a.jpg"),
    ("a.tif", "a.TIFF"),
    ("a", "a.jpg"),
    ("JÖRG", _nfd("Jörg.PNG")),
    ("a.b", "a.b.jpg"),
    ("scans\\a.jpg", "scans/a.jpg"),
    ("Scans/a.jpg", "scans/a.jpg"),
    ("./scans//a.jpg", "scans/a.jpg"),
    ("DRAWINGS\\scans\\a", "scans/a.jpg"),
    ("C:\\Users\\me\\drawings\\a.jpg", "a.jpg"),
    ("/home/me/drawings/scans/a.jpg", "scans/a.jpg"),
    ("a%20b.jpg", "a b.jpg"),
    ("a\u00a0b.jpg ", "a b.jpg"),
    ("a\u200b.jpg", "a.jpg"),
    ("ａ１.jpg", "a1.jpg"),
]


@pytest.mark.parametrize("listed, present", FOUND)
def test_a_name_finds_its_file(listed, present, tmp_path):
    found = _read(tmp_path, [listed], [present])
    assert [row["file"] for row in found.rows] == [present]
    assert found.rejected == []


@pytest.mark.parametrize(
    "listed, present",
    [
        ("a.jpg", "a.png"),
        ("a.jpg", "scans/a.jpg"),
        ("a1.jpg", "a01.jpg"),
        ("Zoe.jpg", "Zoë.jpg"),
        ("sheet-one.jpg", "sheet_one.jpg"),
        ("drawing_1.jpg", "drawng_1.jpg"),
    ],
)
def test_a_name_that_is_near_is_named_and_counted_once(listed, present, tmp_path):
    found = _read(tmp_path, [listed], [present])
    assert found.rows == []
    first, second = found.rejected
    assert (first["file"], first["kind"]) == (listed, "rejected")
    assert first["reason"].endswith(
        f"there is no such image; there is {present!r}: correct the one or the other"
    )
    assert (second["file"], second["kind"]) == (present, "excluded")


def test_of_two_files_that_fit_none_is_guessed(tmp_path):
    found = _read(tmp_path, ["A.jpg"], ["a.JPG", "a.jpg"])
    assert found.rows == []
    assert "2 files fit this name, 'a.JPG' and 'a.jpg'" in found.rejected[0]["reason"]
    assert [r["kind"] for r in found.rejected] == ["rejected", "excluded", "excluded"]
    # As written is as written.
    assert len(_read(tmp_path, ["a.jpg", "a.JPG"], []).rows) == 1


def test_one_file_under_two_spellings_is_listed_twice(tmp_path):
    with pytest.raises(labels.LabelError, match=r"twice, in row 1 \('a'\) and row 2"):
        _read(tmp_path, ["a", "A.JPG"], ["a.jpg"])


@pytest.mark.parametrize(
    "name, told",
    [
        ("a.heic", "HEIC, as phones take photos, is not read; save it as JPEG"),
        ("a.HEIC", "HEIC, as phones"),
        ("a.avif", "AVIF is not read"),
        ("a.pdf", "PDF is not read; save each page"),
        ("a.svg", "SVG is drawn by lines"),
        ("a.docx", "its ending is none of .jpg,"),
    ],
)
def test_a_listed_file_of_another_kind_counts_once(name, told, tmp_path):
    found = _read(tmp_path, [name], [name])
    assert [(r["file"], r["kind"]) for r in found.rejected] == [(name, "rejected")]
    assert told in found.rejected[0]["reason"]


def test_what_else_lies_there(tmp_path):
    present = [
        "a.jpg",
        "a.heic",  # the same drawing, as the phone took it
        "a.tif",
        "b.heic",
        "letter.pdf",
        "notes.txt",
        "c.jpg",
        "._a.jpg",
        ".DS_Store",
        "Thumbs.db",
        "__MACOSX/a.jpg",
        "@eaDir/a.jpg/SYNO_M.jpg",
        ".hidden/b.heic",
    ]
    found = _read(tmp_path, ["a.jpg"], present)
    assert {r["file"]: r["kind"] for r in found.rejected} == {
        "a.heic": "excluded",
        "a.tif": "excluded",
        "b.heic": "rejected",
        "letter.pdf": "excluded",
        "c.jpg": "rejected",
        "._a.jpg": "excluded",
        "__MACOSX/a.jpg": "excluded",
        "@eaDir/a.jpg/SYNO_M.jpg": "excluded",
        ".hidden/b.heic": "excluded",
    }


def test_linked_folders_are_seen_and_circles_end(tmp_path):
    folder, elsewhere = tmp_path / "drawings", tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    folder.mkdir()
    (elsewhere / "deep/a.jpg").write_bytes(b"x")
    (folder / "scans").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere / "deep")
    (folder / "up").symlink_to(tmp_path)
    (elsewhere / "deep/round").symlink_to(elsewhere)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "b.jpg").symlink_to(elsewhere / "deep/a.jpg")
    walked = image_files.walk(folder)
    assert walked.files == ["again/a.jpg", "b.jpg"]
    assert walked.passed_over == {
        "again/round": "read by another name, or above",
        "gone": f"a link to {tmp_path}/nowhere, which is not there",
        "scans/deep": "read by another name, or above",
        "up": "read by another name, or above",
    }
    found = _read(tmp_path, ["b.jpg", "gone/c.jpg"], [])
    reasons = {r["file"]: r["reason"] for r in found.rejected}
    assert reasons["gone/c.jpg"].endswith("nowhere, which is not there")


def test_children_who_are_certainly_one_are_joined_and_it_is_said(tmp_path):
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    children = ["Jörg", _nfd("Jörg"), "Jörg\u00a0", "7", "7.0"]
    found = _read(tmp_path, names, names, children=children)
    assert [row["group"] for row in found.rows] == ["Jörg", "Jörg", "Jörg", "7", "7"]
    assert "child: read as one: '7' and '7.0'" in found.notes[0]
    assert r"'Jo\u0308rg'" in found.notes[0]


def test_children_who_may_be_one_stop_until_it_is_said(tmp_path):
    names, children = ["a.jpg", "b.jpg", "c.jpg"], ["Anna", "anna", "Anna"]
    text = (
        r"children \(child\): expected one spelling of each, 1 may be one under several"
        r": 'Anna' \(row 1 and 1 more\) and 'anna' \(row 2\).*`similar_names: joined`"
    )
    with pytest.raises(labels.LabelError, match=text):
        _read(tmp_path, names, names, children=children)
    for choice, expected in (
        ("joined", ["Anna", "Anna", "Anna"]),
        ("apart", ["Anna", "anna", "Anna"]),
    ):
        config = {**CONFIG, "similar_names": choice}
        found = _read(tmp_path, names, names, config, children)
        assert [row["group"] for row in found.rows] == expected
        assert any("'Anna' and 'anna'" in n for n in found.notes) == (
            choice == "joined"
        )


def test_values_of_a_factor_are_spelled_in_one_way(tmp_path):
    rows = [
        "a.jpg,c1,70,left",
        "b.jpg,c2,70,left\u00a0",
        "c.jpg,c3,70,#N/A",
        "e.jpg,c5,70,Unknown",
    ]
    present = ["a.jpg", "b.jpg", "c.jpg", "e.jpg", "d.jpg"]
    _read(tmp_path, present, present)
    folder = tmp_path / "drawings"
    (folder / "labels.csv").write_text(HEAD + "\n".join(rows), "utf-8")
    found = labels_csv.from_csv(folder, present[:4], CONFIG, "Drawings")
    unknown = labels.UNKNOWN
    assert [row["hand"] for row in found.rows] == ["left", "left", unknown, unknown]
    (folder / "labels.csv").write_text(HEAD + "\n".join([*rows, "d.jpg,c4,70,Left"]))
    with pytest.raises(labels.LabelError, match=r"hand: .*'Left' \(row 5\) and 'left'"):
        labels_csv.from_csv(folder, present, CONFIG, "Drawings")


@pytest.mark.parametrize("child", ["#REF!", "1.23E+11", "J\ufffdrg", "n/a", "\u200b"])
def test_a_child_that_is_lost_is_none(child, tmp_path):
    found = _read(tmp_path, ["a.jpg"], ["a.jpg"], children=[child])
    assert found.rows == [] and found.rejected[0]["reason"].startswith(
        ("child: ", "no ")
    )


@pytest.mark.parametrize(
    "text, months",
    [
        ("71,0", 71),
        ("71.0", 71),
        (" 71\u00a0", 71),
        ("７１", 71),
        ("71,5", None),
        ("7_1", None),
        ("1.200,0", None),
        ("5;11", None),
        ("nan", None),
        ("", None),
    ],
)
def test_months_with_a_comma_or_a_point(text, months, tmp_path):
    _read(tmp_path, ["a.jpg"], ["a.jpg"])
    row = f'a.jpg,c,"{text}",left\n'
    (tmp_path / "drawings/labels.csv").write_text(HEAD + row, "utf-8")
    found = labels_csv.from_csv(tmp_path / "drawings", ["a.jpg"], CONFIG, "Drawings")
    assert [row["age_months"] for row in found.rows] == ([months] if months else [])


def test_a_row_that_quotes_have_taken_in_is_not_used(tmp_path):
    names = ["a.jpg", "b.jpg"]
    _read(tmp_path, names, names)
    rows = 'a.jpg,"c1,70,left\nb.jpg,c2",70,left\n'
    (tmp_path / "drawings/labels.csv").write_text(HEAD + rows, "utf-8")
    found = labels_csv.from_csv(tmp_path / "drawings", names, CONFIG, "Drawings")
    assert found.rows == []
    assert found.rejected[0]["reason"].endswith("are its quotes in pairs?")


def test_rows_with_a_value_too_much_name_no_file(tmp_path):
    _read(tmp_path, ["a.jpg"], ["a.jpg"])
    rows = "1,a.jpg,c,70,left\n1,b.jpg,c,70,left\n"
    (tmp_path / "drawings/labels.csv").write_text(HEAD + rows, "utf-8")
    found = labels_csv.from_csv(tmp_path / "drawings", ["a.jpg"], CONFIG, "Drawings")
    assert [r["file"] for r in found.rejected] == ["a.jpg", "labels.csv, row 2"]


def test_rules_do_not_mind_case_and_form(tmp_path):
    names = ["Jörg.jpg", "a.jpg"]
    config = {
        **CONFIG,
        "keep": {"hand": "LEFT"},
        "exclude": {_nfd("Jörg"): "a slip", "b": "gone"},
    }
    found = _read(tmp_path, names, names, config)
    assert [row["file"] for row in found.rows] == ["a.jpg"]
    assert found.rejected[0]["reason"] == "a slip"
    assert found.notes == ["exclude: 'b' fits no file of labels.csv"]


def test_the_step_says_how_the_table_was_read(tmp_path, capsys):
    folder = tmp_path / "drawings"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    (folder / "labels.csv").write_bytes(
        "FILE;Child;Age_Months\r\na;c;70\r\n".encode("utf-16")
    )
    config = tmp_path / "mine.yaml"
    text = (ROOT / "config/datasets/draw-a-person.yaml").read_text("utf-8")
    head = text.split("columns:")[0]
    config.write_text(head + "factors: [age_years]\nstratify: age_years\nimage: {}\n")
    make_labels(config, folder, tmp_path / "labels.csv", tmp_path / "rejected.csv")
    told = capsys.readouterr().err
    assert "labels.csv: read as UTF-16, separated by semicolons" in told
    assert "1 files are found under another spelling: 'a' and 'a.jpg'" in told
    assert len((tmp_path / "labels.csv").read_text("utf-8").splitlines()) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert image_files.walk(tmp_path).passed_over == {
        "closed": "cannot be read: Permission denied"
    }
