"""The grammar of the file names, the labels.csv kind, and what is refused."""

import csv

import pytest

from scripts.labels import make_labels
from scripts.lib.data import labels, labels_csv
from tests.conftest import ROOT

GOOD = {  # name -> (sample, child, age in months, who drew, who is drawn)
    "p3-67w-6.7f.jpeg": ("p3-67w-6.7f", "p3-67", 79, "girl", "woman"),
    "nu-21s-4.5m.jpeg": ("nu-21s-4.5m", "nu-21", 53, "boy", "self"),
    "p1-1m-6.10f.jpg": ("p1-1m-6.10f", "p1-1", 82, "girl", "man"),
    "p1-1m-6.1f.png": ("p1-1m-6.1f", "p1-1", 73, "girl", "man"),
    "p7-2m-11.0m.jpeg": ("p7-2m-11.0m", "p7-2", 132, "boy", "man"),
    "P3-67W-6.7F.JPEG": ("p3-67w-6.7f", "p3-67", 79, "girl", "woman"),
    "p3-67w-6.7f.jpeg.jpeg": ("p3-67w-6.7f", "p3-67", 79, "girl", "woman"),
    "p3-007w-6.07f.jpeg": ("p3-7w-6.7f", "p3-7", 79, "girl", "woman"),
}
# All are the drawing p3-67w-6.7f.
COPIES = (
    "p3-67w-6.7fp3-67w-6.7f.jpeg",
    "p3-67w-6.7f p3-67w-6.7f.jpeg",
    "p3-67w-6.7f.jpegp3-67w-6.7f.jpeg",
    "p3-67w-6.7f.jpg.png",
    "p3-67w-6.7f (2).jpeg",
    "p3-67w-6.7f.jpeg (2).jpeg",
    "p3-67w-6.7f - Copy.jpeg",
    "p3-67w-6.7f - Copy (3).jpeg",
    "Copy of p3-67w-6.7f.jpeg",
    "p3-67w-6.7f_copy.JPG",
    " p3-67w-6.7f .jpeg",
)
BAD = {
    "p3-67w-6.12f.jpeg": "months: expected 0 ... 11, received 12",
    "p8-67w-6.7f.jpeg": "CATEGORY nu or p1 ... p7",
    "p3-67x-6.7f.jpeg": "SUBJECT m, w or s",
    "p3-67w-6.7q.jpeg": "AUTHOR m or f",
    "p3-67w-6,7f.jpeg": "expected CATEGORY-NUMBER",
    "p3-67w-67f.jpeg": "expected CATEGORY-NUMBER",
    "p3-67w-6.7fp3-67w-6.8f.jpeg": "expected CATEGORY-NUMBER",
    "p3-67w-6.7f6.jpeg": "expected CATEGORY-NUMBER",
    "p3-٦٧w-6.7f.jpeg": "expected CATEGORY-NUMBER",
    "nu-1s-0.0m.jpeg": "age: expected more than 0 months",
    "holiday.jpeg": "expected CATEGORY-NUMBER",
    "": "expected CATEGORY-NUMBER",
}


@pytest.mark.parametrize("name", GOOD)
def test_names_that_parse(name):
    row = labels.parse_name(name)
    keys = ("sample", "group", "age_months", "who_drew", "who_is_drawn")
    assert tuple(row[k] for k in keys) == GOOD[name]
    assert row["age_years"] == row["age_months"] // 12


@pytest.mark.parametrize("name", COPIES)
def test_doubled_and_copied_names_are_the_name(name):
    row = labels.parse_name(name)
    assert (row["sample"], row["age_months"]) == ("p3-67w-6.7f", 79)


@pytest.mark.parametrize("name", BAD)
def test_names_that_do_not_parse_say_why(name):
    with pytest.raises(ValueError, match=BAD[name].replace(".", r"\.")):
        labels.parse_name(name)


def test_every_name_is_taken_or_listed_with_its_reason():
    files = [*GOOD, *COPIES, *BAD, "._p3-67w-6.7f.jpeg", "again/P3-67w-6.7f.png"]
    found = labels.from_names(files)
    used = {row["file"] for row in found.rows}
    listed = {entry["file"]: entry["reason"] for entry in found.rejected}
    assert used | set(listed) == set(files) and not used & set(listed)
    # One drawing, once: the first of its files by name.
    first = " p3-67w-6.7f .jpeg"
    assert first in used
    for name in ("p3-67w-6.7f.jpeg", "P3-67W-6.7F.JPEG", "again/P3-67w-6.7f.png"):
        assert listed[name] == f"names the same drawing as {first}"
    hidden = next(e for e in found.rejected if e["file"].startswith("._"))
    assert hidden["kind"] == "excluded"
    assert [r["sample"] for r in found.rows] == sorted(r["sample"] for r in found.rows)


def test_more_than_five_per_cent_rejected_is_an_error():
    good = [f"p1-{i}m-5.{i % 12}f.jpeg" for i in range(1, 20)]
    labels.check(labels.from_names([*good, "holiday.jpeg"]), "here")  # 5 % exactly
    bad = labels.from_names([*good[:-1], "holiday.jpeg"])
    with pytest.raises(
        labels.LabelError, match=r"here: 1 of 19 .* at most 5%.*holiday"
    ):
        labels.check(bad, "here")
    with pytest.raises(labels.LabelError, match="no drawing is left"):
        labels.check(labels.from_names([]), "here")


CONFIG = {
    "factors": ["sex", "age_months"],
    "columns": {"child": "participant"},
    "keep": {"group": "child"},
    "require": ["age_months"],
    "exclude": {"D4": "a slip"},
}
HEAD = "file,participant,group,sex,age_months\n"


def _from_csv(tmp_path, text, files=("D1.jpg",), config=CONFIG):
    folder = tmp_path / "drawings"
    folder.mkdir()
    (folder / "labels.csv").write_text(text, "utf-8")
    return labels_csv.from_csv(folder, list(files), config, "Drawings")


def test_labels_csv_takes_excludes_and_rejects(tmp_path):
    found = _from_csv(
        tmp_path,
        HEAD
        + "drawings/D1.jpg,c1,child,f,70\n"
        + "D2.jpg,c2,adult,m,400\n"
        + "D3.jpg,c3,child,m,\n"
        + "D4.jpg,c4,child,m,5\n"
        + "D5.jpg,c5,child,m,seventy\n"
        + "D10.jpg,c5,child,m,70.5\n"
        + "D6.jpg,c6,child,m,70\n"
        + "D7.jpg,,child,m,70\n"
        + "D8.jpg,c8,child,,71.0\n",
        [f"D{i}.jpg" for i in (1, 2, 3, 4, 5, 7, 8, 9, 10)],
    )
    assert [(r["sample"], r["group"], r["age_months"]) for r in found.rows] == [
        ("D1", "c1", 70),
        ("D8", "c8", 71),
    ]
    assert found.rows[1]["sex"] == labels.UNKNOWN
    reasons = {r["file"]: (r["kind"], r["reason"]) for r in found.rejected}
    assert reasons["D2.jpg"] == ("excluded", "group is 'adult', kept is 'child'")
    assert reasons["D3.jpg"] == ("excluded", "no age_months")
    assert reasons["D4.jpg"] == ("excluded", "a slip")
    assert "whole months, received 'seventy'" in reasons["D5.jpg"][1]
    assert "whole months, received '70.5'" in reasons["D10.jpg"][1]
    assert "there is no such image" in reasons["D6.jpg"][1]
    assert "the child must be known" in reasons["D7.jpg"][1]
    assert reasons["D9.jpg"] == ("rejected", "not listed in labels.csv")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "one row per drawing, received none"),
        (HEAD, "one row per drawing, received none"),
        ("file,group,sex\nD1.jpg,child,f\n", "missing: participant, age_months"),
        (HEAD + "D1.jpg,c,child,f,70\nD1.jpg,c,child,f,70\n", "listed twice"),
        ("file,participant,sex,age_months\nD1.jpg,c,f,70\n", "missing: group"),
        (f"age_months,{HEAD}1,D1.jpg,c,child,f,70\n", "more than once: age_months"),
        ('file,participant\n"D1.jpg,c\n', "expected a CSV file"),
    ],
)
def test_labels_csv_that_cannot_be_used(tmp_path, text, expected):
    with pytest.raises(labels.LabelError, match=expected):
        _from_csv(tmp_path, text)


def test_rows_of_a_wrong_form_are_rejected_not_misread(tmp_path):
    files = [f"D{i}.jpg" for i in (1, 2, 3, 5)]
    found = _from_csv(
        tmp_path,
        HEAD
        + "D1.jpg,Smith, Ann,child,f,70\n"
        + "D2.jpg,c2,child\n"
        + ",c3,child,f,70\n"
        + "D5.jpg,c5,child,f,70\n",
        files,
    )
    assert [row["sample"] for row in found.rows] == ["D5"]
    assert {(r["file"], r["reason"][:16]) for r in found.rejected} == {
        ("D1.jpg", "more fields than"),
        ("D2.jpg", "fewer fields tha"),
        ("labels.csv, row 3", "the row names no"),
        ("D3.jpg", "not listed in la"),
    }


def test_files_that_would_be_one_sample_are_not_both_taken(tmp_path):
    text = HEAD + "D1.png,c1,child,f,70\nD1.jpg,c1,child,f,71\n"
    found = _from_csv(tmp_path, text, ["D1.jpg", "D1.png"])
    assert [(r["sample"], r["age_months"]) for r in found.rows] == [("D1", 70)]
    assert found.rejected[0]["reason"] == "names the same drawing as D1.png"


def test_the_childs_column_may_be_child_or_participant(tmp_path):
    config = {"factors": ["sex"]}
    text = "file,participant,sex,age_months\nD1.jpg,c9,f,70\n"
    assert _from_csv(tmp_path, text, config=config).rows[0]["group"] == "c9"
    text = "file,participant,child,sex,age_months\nD1.jpg,c9,c7,f,70\n"
    (tmp_path / "drawings/labels.csv").write_text(text)
    found = labels_csv.from_csv(tmp_path / "drawings", ["D1.jpg"], config, "Drawings")
    assert found.rows[0]["group"] == "c7"


def test_a_folder_in_the_folder_may_have_its_name(tmp_path):
    text = HEAD + "drawings/D1.jpg,c1,child,f,70\ndrawings/D2.jpg,c2,child,f,70\n"
    found = _from_csv(tmp_path, text, ["D2.jpg", "drawings/D1.jpg"])
    assert [row["file"] for row in found.rows] == ["D2.jpg", "drawings/D1.jpg"]
    assert not found.rejected


def test_if_all_are_excluded_the_error_says_why(tmp_path):
    found = _from_csv(tmp_path, HEAD + "D1.jpg,c1,adult,f,70\n")
    with pytest.raises(labels.LabelError, match=r"no drawing is left.*kept is 'child'"):
        labels.check(found, "here")


def test_missing_labels_csv_names_the_file(tmp_path):
    with pytest.raises(labels.LabelError, match=r"labels\.csv, which is not there"):
        labels_csv.from_csv(tmp_path, [], CONFIG, "Drawings")


def test_nothing_is_written_when_the_step_fails(tmp_path):
    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings" / "holiday.jpeg").write_bytes(b"x")
    config = ROOT / "config/datasets/stirling.yaml"
    out, rejected = tmp_path / "labels.csv", tmp_path / "rejected.csv"
    with pytest.raises(labels.LabelError, match="holiday"):
        make_labels(config, tmp_path / "drawings", out, rejected)
    assert not out.exists() and not rejected.exists()


def test_pictures_of_other_kinds_are_listed(tmp_path):
    folder = tmp_path / "drawings"
    folder.mkdir()
    for i in range(1, 21):
        (folder / f"p1-{i}m-5.0f.jpeg").write_bytes(b"x")
    (folder / "p1-21m-5.0f.HEIC").write_bytes(b"x")
    (folder / "p1-20m-5.0f.heic").write_bytes(b"x")  # beside its JPEG
    (folder / "letter.pdf").write_bytes(b"x")
    config = ROOT / "config/datasets/stirling.yaml"
    out, rejected = tmp_path / "labels.csv", tmp_path / "rejected.csv"
    make_labels(config, folder, out, rejected)
    assert len(out.read_text("utf-8").splitlines()) == 1 + 20
    listed = csv.DictReader(rejected.read_text("utf-8").splitlines())
    kinds = {row["file"]: (row["kind"], row["reason"]) for row in listed}
    assert kinds == {
        "p1-20m-5.0f.heic": ("excluded", "beside a picture of the same name"),
        "p1-21m-5.0f.HEIC": (
            "rejected",
            "HEIC, as phones take photos, is not read; save it as JPEG or PNG",
        ),
        "letter.pdf": (
            "excluded",
            "PDF is not read; save each page of it that is a drawing as JPEG or PNG",
        ),
    }


def test_the_real_drawings(real_data_dir, tmp_path):
    config = ROOT / "config/datasets/draw-a-person.yaml"
    out, rejected = tmp_path / "labels.csv", tmp_path / "rejected.csv"
    make_labels(config, real_data_dir / "draw-a-person", out, rejected)
    rows = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    assert len(rows) == 238 and len({r["group"] for r in rows}) == 112
    assert {r["age_years"] for r in rows} <= set("12345678")
    left_out = list(csv.DictReader(rejected.read_text("utf-8").splitlines()))
    assert len(left_out) == 69 and {r["kind"] for r in left_out} == {"excluded"}
    slip = next(r["reason"] for r in left_out if "DAM3D006" in r["file"])
    assert slip.startswith("listed with 0.42 years")
