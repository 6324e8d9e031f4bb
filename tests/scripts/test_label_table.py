"""labels.csv as spreadsheets of several countries, and people, write it."""

import pytest

from scripts.lib.data import label_table

WANTED = ("file", "child", "age_months", "hand")
HEAD = [*WANTED]
ROWS = [["a 1.jpg", "Jörg", "71", "left"], ["a 2.jpg", "Zoë", "72", "right"]]


def _text(separator=",", head=HEAD, rows=ROWS, end="\r\n"):
    return end.join(separator.join(row) for row in [head, *rows]) + end


def _read(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return label_table.read(path, WANTED, "Drawings")


def _values(table):
    places = [table.place(name) for name in WANTED]
    return [[row[place] for place in places] for _, row in table.rows]


GOOD = {
    "bom": _text().encode("utf-8-sig"),
    "two boms": b"\xef\xbb\xbf" + _text().encode("utf-8-sig"),
    "semicolons": _text(";"),
    "semicolons, bom": _text(";").encode("utf-8-sig"),
    "tabs": _text("\t"),
    "bars": _text("|"),
    "sep line": "sep=;\r\n" + _text(";"),
    "sep line in quotes": '"sep=;"\n' + _text(";"),
    "sep line, bom": ("SEP=\t\n" + _text("\t")).encode("utf-8-sig"),
    "sep line that is wrong": "sep=,\r\n" + _text(";"),
    "utf-16": _text("\t").encode("utf-16"),
    "utf-16 be": b"\xfe\xff" + _text("\t").encode("utf-16-be"),
    "utf-16, no mark": _text(";").encode("utf-16-le"),
    "utf-16 be, no mark": _text().encode("utf-16-be"),
    "utf-32": _text().encode("utf-32"),
    "old Mac": _text(end="\r"),
    "empty rows": _text() + ",,,\r\n" * 3,
    "empty rows of blanks": _text(";") + "; ;\u00a0;\r\n \r\n;;;;;;\r\n",
    "empty rows before": "\r\n;;;\r\n" + _text(";"),
    "names in other case": _text(head=["FILE", "Child", "Age_Months", "hanD"]),
    "names with blanks": _text(
        head=["File ", " Child", "\u00a0age_months", "hand\u200b"]
    ),
    "names with other joints": _text(head=["file", "child", "Age Months", "hand"]),
    "names in quotes": _text(";", head=[f'"{name}"' for name in HEAD]),
    "too many separators": _text(rows=[[*row, "", ""] for row in ROWS]),
    "a blank before a quote": _text(rows=[[f' "{x}"' for x in row] for row in ROWS]),
    "a column without a name": _text(head=["", *HEAD], rows=[["0", *r] for r in ROWS]),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_read(case, tmp_path):
    table = _read(tmp_path, GOOD[case])
    assert _values(table) == ROWS
    needed = [table.place(name) for name in WANTED]
    assert not any(table.broken(row, needed) for _, row in table.rows)


def test_separators_and_line_ends_in_quotes_are_text(tmp_path):
    rows = [['"a;1.jpg"', '"Smith; Ann"', "71", '"two\r\nlines, ""so"""']]
    found = _values(_read(tmp_path, _text(";", rows=rows)))
    assert found == [["a;1.jpg", "Smith; Ann", "71", 'two\r\nlines, "so"']]


def test_empty_rows_are_counted_in_the_numbers(tmp_path):
    table = _read(tmp_path, "file;child\n;\na;b\n\n;\nc;d\n")
    assert [number for number, _ in table.rows] == [2, 5]
    assert table.told == "read as UTF-8, separated by semicolons"


BAD = {
    "cp1252": (
        _text(";").encode("cp1252"),
        r"line 2 is not \(b'J\\xf6rg'\); it looks like cp1252 .* is 'Jörg'; save",
    ),
    "mac": (_text().encode("mac_roman"), "looks like mac_roman .* is 'Jörg'; save"),
    "dos": (_text().encode("cp850"), "looks like cp850 .* is 'Jörg'; save it"),
    "one row of another": (
        _text().encode() + "b.jpg,Änne,71,left\n".encode("cp1252"),
        r"line 4 is not \(b'\\xc4nne'\)",
    ),
    "Cyrillic": (
        _text(rows=[["a.jpg", "Мария", "71", "l"]]).encode("cp1251"),
        "no Western encoding; save it again as UTF-8",
    ),
    "utf-16, half a letter": (_text().encode("utf-16")[:-1], "in UTF-16, as its first"),
    "xlsx": (
        b"PK\3\4" + bytes(99),
        r"received a workbook \(.xlsx, .* export the sheet",
    ),
    "xls": (b"\xd0\xcf\x11\xe0" + bytes(99), "received an old Excel workbook"),
    "an open quote": (_text() + '"b.jpg,c,71,left\n', "that begins at line 4: .*pairs"),
    "nothing": (b"", "one row per drawing, received none"),
    "names alone": (_text(rows=[]) + ",,,\n", "one row per drawing, received none"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused_says_why(case, tmp_path):
    content, text = BAD[case]
    with pytest.raises(label_table.TableError, match=text):
        _read(tmp_path, content)


def test_a_table_of_another_name_is_pointed_out(tmp_path):
    (tmp_path / "Labels.CSV").write_text(_text())
    text = r"which is not there; there is 'Labels\.CSV': save it as labels\.csv"
    with pytest.raises(label_table.TableError, match=text):
        label_table.read(tmp_path / "labels.csv", WANTED, "Drawings")


@pytest.mark.parametrize(
    "separator, row, told",
    [
        (",", "a.jpg,anna,71,0,left", "'71,0' a number with a decimal comma"),
        (",", "a.jpg,Smith, Ann,71,left", "put texts with commas in quotes"),
        (";", "a.jpg;Smith; Ann;71;left", "put texts with semicolons in quotes"),
        (";", "a.jpg,anna,71,left", "fewer fields .*separated by commas, the column"),
        (",", "a.jpg,anna", r"fewer fields than columns \(2, 4\)"),
    ],
)
def test_a_row_of_another_form_says_what_is_likely(separator, row, told, tmp_path):
    table = _read(tmp_path, _text(separator) + row)
    broken = table.broken(table.rows[-1][1], [table.place(name) for name in WANTED])
    assert broken is not None
    with pytest.raises(ValueError, match=told):
        raise ValueError(broken)


def test_a_comma_too_much_is_not_hidden_by_a_column_without_a_name(tmp_path):
    head, row = [*HEAD, ""], ["a.jpg", "anna", "71", "0", "left"]
    table = _read(tmp_path, _text(head=head, rows=[row]))
    assert "decimal comma" in table.broken(row, [0, 1, 2, 3])


def test_two_columns_of_one_name(tmp_path):
    table = _read(tmp_path, _text(head=["file", "Child", "age_months", "child "]))
    with pytest.raises(label_table.TableError, match="more than once: child"):
        table.place("child")
    # One that is written as it is asked for is meant.
    table = _read(tmp_path, _text(head=["file", "Child", "age_months", "child"]))
    assert table.place("child") == 3
