"""Ways to convolve: measured at tiny sizes, and the formulas that are fitted to it."""

import itertools
import json
import mmap
from types import SimpleNamespace

import numpy as np
import pytest

from scripts import claims as claims_step
from scripts import conv_study
from scripts.lib import figures
from scripts.lib.conv_study import fits, measured, memory, timing, ways
from scripts.lib.conv_study.cases import BACKWARD, FORWARD, PASSES, Case, cases_of
from scripts.lib.io import tables
from scripts.lib.io.schema import read_yaml
from tests.conftest import ROOT

SETTINGS = {
    "kernel": 3,
    "padding": 0,
    "series": {
        "small": {"batch": 1, "maps_in": 1, "size": [6, 8]},
        "batch": {"batch": [1, 2, 4], "maps_in": 2, "size": 8},
        "maps": {"batch": 2, "maps_in": [1, 2], "maps_out": [1, 3], "size": 8},
        "large": {"batch": 8, "maps_in": 8, "size": 8},
    },
    "drawn": ["batch", "maps"],
    "memory_of": ["large"],
    "ways": ["loops", "serialisation", "function", "threads", "opencl"],
    "rounds": 3,
    "turn": 0.0005,
    "limits": {"loops": 0.05},
}
ASKED = SETTINGS | {"title": "Ways", "source": "S4 2", "scale": "demo", "seed": 3}
CASE = Case(batch=2, maps_in=3, maps_out=4, size=6, kernel=3, padding=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the step writes of the settings above."""
    stem = tmp_path_factory.mktemp("conv") / "conv_study"
    conv_study.make_tables(ASKED, stem)
    rows = tables.read(stem.with_suffix(".csv"))
    laws = tables.read(stem.with_name("conv_study_fits.csv"))
    return SimpleNamespace(stem=stem, rows=rows, laws=laws)


def test_what_a_case_costs_on_paper():
    assert CASE.calls == 2 * 4 * 3
    assert CASE.multiply_adds == 24 * 9 * 16  # 4 x 4 places of y
    assert CASE.given_bytes(FORWARD) == CASE.result_bytes(BACKWARD) == 4 * 2 * 3 * 36
    assert CASE.given_bytes(BACKWARD) == CASE.result_bytes(FORWARD) == 4 * 2 * 4 * 16
    assert CASE.formula_bytes("function", FORWARD) == 4 * 2 * 4 * 16
    assert CASE.formula_bytes("function", BACKWARD) == 4 * 2 * 3 * 36
    columns = 4 * 9 * 3 * 2 * 16
    assert CASE.formula_bytes("serialisation", FORWARD) == 4 * 2 * 4 * 16 + columns


def test_cases_are_made_once_the_least_work_first():
    cases = cases_of(SETTINGS)
    work = [case.multiply_adds for case in cases]
    assert work == sorted(work)
    assert len({case.name for case in cases}) == len(cases) == 2 + 3 + 4 + 1
    single = Case(1, 1, 1, 8, 3, 0, ("small",))
    assert single in cases
    both = [case for case in cases if case.series == ("batch", "maps")]
    assert both == []  # 2 maps in give 1 and 3, never 2
    more = SETTINGS | {"series": {"a": SETTINGS["series"]["batch"], "b": dict(
        batch=2, maps_in=2, size=8)}}  # fmt: skip
    assert [case.series for case in cases_of(more)] == [("a",), ("a", "b"), ("a",)]


def test_the_long_table(made):
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    for rows, name, columns in (
        (made.rows, "conv_study", measured.COLUMNS),
        (made.laws, "conv_study_fits", fits.COLUMNS),
    ):
        assert tuple(schema["$defs"][name]["required"]) == columns == tuple(rows[0])
        assert tuple(schema["$defs"][name]["properties"]) == columns
    found = {(row["way"], row["pass"], row["case"]) for row in made.rows}
    names = [case.name for case in cases_of(SETTINGS)]
    assert found == set(itertools.product(SETTINGS["ways"], PASSES, names))
    for row in made.rows:
        if row["seconds"]:
            seconds, low, high = (float(row[k]) for k in ("seconds", "low", "high"))
            assert 0 < low <= seconds <= high
            assert (row["rounds"], row["seeds"]) == ("3", "3")
        if row["beside_bytes"]:
            assert int(row["storage_bytes"]) - int(row["beside_bytes"]) == int(
                row["result_bytes"]
            )


def test_what_takes_too_long_is_left_out_and_says_so(made):
    loops = [row for row in made.rows if row["way"] == "loops"]
    large = [row for row in loops if row["series"] == "large"]
    assert [row["seconds"] for row in large] == ["", ""]  # 166 000 multiply-adds
    for row in large:
        assert row["note"].startswith("not run: about ")
        assert row["note"].endswith("s a run, the limit is 0.05 s")
    assert all(row["seconds"] for row in loops if row["series"] == "small")
    page = made.stem.with_suffix(".md").read_text("utf-8")
    assert "not run: about" in page
    assert "A run may take: loops 0.05 s" in page


def test_which_memory_was_measured_how(made):
    for row in made.rows:
        if row["way"] in ways.NUMPY:
            assert bool(row["beside_bytes"]) == bool(row["seconds"])
            assert row["measured_by"] == ("tracemalloc" if row["seconds"] else "")
        elif row["series"] == "large" and row["measured_by"]:
            assert row["measured_by"] == "VmHWM"
            assert int(row["beside_bytes"]) < 8 << 20
        else:
            assert "memory: " in row["note"] or not row["seconds"]
    page = made.stem.with_suffix(".md").read_text("utf-8")
    assert "resident memory of a process of its own" in page


def test_our_tables_decide_what_s4_says(made, tmp_path):
    file = ROOT / "config/claims/s4.yaml"
    stem = tmp_path / "claims_s4"
    claims_step.make_table(
        SimpleNamespace(
            claims=file,
            tables=[
                made.stem.with_suffix(".csv"),
                made.stem.with_name("conv_study_fits.csv"),
            ],
            sources=[],
            scale="demo",
            output_stem=stem,
        )
    )
    found = {row["claim"]: row for row in tables.read(stem.with_suffix(".csv"))}
    asked = read_yaml(file, "the claims")["claims"]
    assert set(found) >= set(asked)
    for name in ("loops-storage", "serialisation-storage", "function-storage"):
        assert found[name]["verdict"] in ("reproduced", "not reproduced"), found[name]
    assert found["function-storage"]["verdict"] == "reproduced"
    assert found["le-gall"]["verdict"] == "cannot be decided"


def test_the_figure_has_a_column_for_each_series(made):
    figure = figures.convolutions(made.rows, made.laws, SETTINGS["drawn"])
    assert len(figure.axes) == 4 * 2
    assert figure.axes[0].get_title() == "batch: batch 1…4, maps 2, size 8"
    assert (
        figure.axes[1].get_title() == "maps: batch 2, maps in 1…2, maps out 1…3, size 8"
    )
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == len({row["way"] for row in made.rows if row["seconds"]})
    figures.plt.close(figure)


# --- memory ---------------------------------------------------------------------------


def _beside(way, case, which):
    call = ways.in_numpy(way, case, which, 0)
    call()
    return memory.of_arrays(call)


@pytest.mark.parametrize("which", PASSES)
def test_the_serialisations_memory_grows_as_its_columns(which):
    """K N H' W' numbers, K = 9 F_in, and the product or its source, F_out N H' W'."""
    for case in (
        Case(16, 8, 8, 16, 3, 0),
        Case(64, 8, 8, 16, 3, 0),
        Case(16, 32, 32, 16, 3, 0),
        Case(16, 8, 8, 30, 3, 0),
    ):
        places = case.batch * case.out_size**2
        expected = 4 * (9 * case.maps_in + case.maps_out) * places
        beside = _beside("serialisation", case, which)
        # NumPy adds strided maps by way of buffers of its own.
        assert expected <= beside <= 1.01 * expected + 90_000, case.name


@pytest.mark.parametrize("which", PASSES)
def test_the_other_ways_take_some_maps_at_most(which):
    for way in ("loops", "function"):
        grown = [_beside(way, Case(n, 2, 2, 30, 3, 0), which) for n in (1, 8)]
        assert max(grown) < 20_000  # the results: 6 272 and 50 176, or 57 600
        assert abs(grown[1] - grown[0]) < 5_000


def test_a_peak_of_the_process_is_what_was_touched():
    """6 MB that stay, 9 for a moment before it runs, and 4 while it does."""

    def taken(megabytes):
        pages = np.frombuffer(mmap.mmap(-1, megabytes << 20), np.uint8)
        pages[:] = 1
        return pages

    def make():
        taken(9)
        kept = taken(6)
        return lambda: kept[0] + taken(4)[0]

    try:
        grown = memory.of_process(make)
    except memory.NotMeasurableError as error:
        pytest.skip(str(error))
    assert abs(grown - (10 << 20)) < 1 << 20


def test_kernels_are_weighed_in_a_process_of_their_own():
    """`threads` keeps columns or transforms in blocks, whatever came before."""
    small, large = Case(2, 4, 4, 8, 3, 0), Case(32, 16, 16, 24, 3, 0)
    alone = memory.of_kernels("threads", [(small, FORWARD)], 0)[small, FORWARD]
    found = memory.of_kernels("threads", [(large, FORWARD), (small, FORWARD)], 0)
    if isinstance(alone, str):
        pytest.skip(alone)
    assert found[large, FORWARD] > 300_000
    assert abs(found[small, FORWARD] - alone) < 300_000
    with pytest.raises(
        RuntimeError, match=r"memory of thread: .*did you mean 'threads'"
    ):
        memory.of_kernels("thread", [(small, FORWARD)], 0)


# --- time -----------------------------------------------------------------------------


def test_turns_last_long_enough_and_each_round_begins_with_another():
    now, order = [0.0], []

    def call(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds

        return run

    calls = {"a": call("a", 0.25), "b": call("b", 2.0)}
    clocks = dict.fromkeys(calls, lambda: now[0])
    found = timing.seconds_by_round(calls, clocks, rounds=2, turn=1.0)
    assert found == {"a": [0.25, 0.25], "b": [2.0, 2.0]}
    assert "".join(order) == "aab" + "aaaab" + "baaaa"


def test_a_call_that_would_take_too_long_is_refused():
    patience = timing.Patience({"loops": 1.0})
    larger = Case(20, 3, 4, 6, 3, 0)
    assert patience.refuses("loops", FORWARD, larger) == "", "nothing is known yet"
    patience.learn("loops", FORWARD, CASE, 0.5)
    patience.learn("function", FORWARD, CASE, 0.5)
    assert patience.refuses("loops", FORWARD, larger) == (
        "not run: about 5 s a run, the limit is 1 s"
    )
    assert patience.refuses("loops", BACKWARD, larger) == ""
    assert patience.refuses("function", FORWARD, larger) == "", "it has no limit"


def test_a_way_that_computes_something_else_is_found(monkeypatch):
    monkeypatch.setitem(
        ways.GRADIENTS,
        "function",
        lambda dy, w, g: 1.01 * ways.GRADIENTS["loops"](dy, w, g),
    )
    here = ways.Ways(["function"])
    here.call("function", CASE, FORWARD, 0)
    with pytest.raises(ValueError, match=r"function, backward, batch2-.* within 0.001"):
        here.call("function", CASE, BACKWARD, 0)


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(vars(ways), "DEVICES", ("threads", "opencl:99"))
    here = ways.Ways(["threads", "opencl:99"])
    here.close()
    assert list(here.clocks) == ["threads"]
    assert "opencl:99" in here.missing["opencl:99"] or here.missing["opencl:99"]


# --- fits -----------------------------------------------------------------------------


def _row(calls, size=8, **values):
    known = {"way": "function", "pass": "forward", "size": size, "calls": calls}
    return known | {"multiply_adds": calls * (size - 2) ** 2 * 9} | values


def test_the_law_that_made_the_numbers_is_found():
    rows = [_row(n, seconds=1e-4 + 3e-6 * n) for n in (1, 10, 100, 1000)]
    rows += [_row(n, 16, seconds=1.0) for n in (1, 10)]
    by_work, by_calls, storage = fits.rows_of(rows)
    assert (by_calls["cases"], by_calls["n"]) == ("size 8", 4)
    assert by_calls["constant"] == pytest.approx(1e-4)
    assert by_calls["slope"] == pytest.approx(3e-6)
    assert by_calls["line_low"] == pytest.approx(1) == by_calls["line_high"]
    assert by_work["n"] == 6
    assert by_work["r2"] < by_calls["r2"] < 1
    assert storage["n"] == 0
    assert storage["note"] == "0 different formula_bytes: nothing to fit"


def test_storage_is_fitted_to_its_formula():
    sizes = (100, 1000, 10_000)
    rows = [
        _row(1, multiply_adds=9, storage_bytes=2 * n + 50, formula_bytes=n)
        for n in sizes
    ]
    *_, storage = fits.rows_of(rows)
    assert (storage["over"], storage["cases"]) == ("formula_bytes", "all")
    assert storage["constant"] == pytest.approx(50)
    assert storage["slope"] == pytest.approx(2)


# --- the configuration ----------------------------------------------------------------


def test_the_same_noise_for_every_way_and_another_for_each_pass():
    x, w = CASE.arrays(FORWARD, 0)
    again, _ = CASE.arrays(FORWARD, 0)
    dy, _ = CASE.arrays(BACKWARD, 0)
    np.testing.assert_array_equal(x, again)
    assert x.shape == (2, 3, 6, 6)
    assert dy.shape == (2, 4, 4, 4)
    assert w.shape == (4, 3, 3, 3)
    assert x.dtype == w.dtype == np.float32
    assert not np.array_equal(x.ravel()[:64], dy.ravel()[:64])


def test_the_command_line(tmp_path, monkeypatch):
    small = ASKED | {
        "ways": ["serialisation", "function"],
        "series": {"one": {"batch": 1, "maps_in": 1, "size": 6}},
    }
    arguments = ["conv_study", "--asked-json", json.dumps(small)]
    monkeypatch.setattr("sys.argv", [*arguments, "--output-stem", str(tmp_path / "t")])
    conv_study.main()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{s}.{e}" for s in ("t", "t_fits") for e in ("csv", "md", "tex")}
