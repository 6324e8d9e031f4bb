"""What is one name, what may be one, and what is two."""

import unicodedata

import pytest

from scripts.lib.data import spelling

ONE = [  # certainly
    ("Jörg", unicodedata.normalize("NFD", "Jörg")),
    ("Anna", "Anna "),
    ("Anna", "\u00a0Anna\u202f"),
    ("Anna", "\ufeffAnna\u200b"),
    ("Anna Lena", "Anna \u00a0 Lena"),
    ("Anna Lena", "Anna\u3000Lena"),
    ("Anna", "Ａｎｎａ"),
    ("12", "１２"),
    ("Anna", "An\u00adna"),
    ("Å", "\u212b"),
    ("Anna", "Anna\0"),
    ("7", "7.0"),
    ("7", "7,00"),
    ("12", "12.0"),
]
MAYBE = [
    ("Anna", "anna"),
    ("Strauß", "STRAUSS"),
    ("7", "007"),
    ("kid7", "kid 07"),
    ("kid_1", "Kid-1"),
    ("Anna-Lena", "Anna Lena"),
    ("Zoë", "Zoe"),
    ("Jörg", "Joerg"),
    ("Jörg", "Jorg"),
    ("Jörg", "JÃ¶rg"),  # UTF-8 that was read as cp1252
    ("Łukasz", "Lukasz"),
    ("O'Brien", "O’Brien"),
    ("A1", "\u04101"),  # a Cyrillic A
    ("7", "007.0"),
    ("Anna B", "Anna B."),
]
TWO = [
    ("Anna", "Anne"),
    ("kid1", "kid11"),
    ("1-11", "11-1"),
    ("1-11", "111"),
    ("A", "A+"),
    ("A-", "A"),
    ("<5", ">5"),
    ("kid 🐱", "kid 🐶"),
    ("1.1", "1.10"),
    ("かな", "がな"),
    ("0", "00a"),
]


def _count(names) -> int:
    return len(set(spelling.join_certain(names).values()))


@pytest.mark.parametrize("names", ONE)
def test_one_name_is_one(names):
    assert _count(names) == 1
    assert set(spelling.join_certain(names).values()) == {names[0]} or names[0] == "Å"


@pytest.mark.parametrize("names", MAYBE)
def test_what_may_be_one_is_not_joined_but_named(names):
    assert _count(names) == 2
    assert spelling.alike(names) == [sorted(names)]


@pytest.mark.parametrize("names", TWO)
def test_two_names_are_two(names):
    assert _count(names) == 2
    assert spelling.alike(names) == []


def test_a_column_with_other_decimals_is_none_of_whole_numbers():
    assert _count(["1", "1.0", "1.1"]) == 3


def test_three_spellings_are_one_group():
    found = spelling.alike(["Joerg", "Jörg", "Jorg", "Ida"])
    assert found == [["Joerg", "Jorg", "Jörg"]]
    assert spelling.most_used(found[0], ["Jorg", "Jörg", "Jörg"]) == "Jörg"


@pytest.mark.parametrize(
    "text, told",
    [
        ("#N/A", "an error of a spreadsheet"),
        ("#REF!", "an error of a spreadsheet"),
        ("1.23457E+12", "a number that a spreadsheet has shortened"),
        ("1,2E+05", "a number that a spreadsheet has shortened"),
        ("J\ufffdrg", "a text that has lost letters"),
        ("nan", "a mark for what is missing"),
        ("NA", None),
        ("Nan", None),
        ("#12", None),
        ("E5", None),
    ],
)
def test_what_programs_leave_is_no_name(text, told):
    assert spelling.lost(text) == told
