"""What the figures show is what the tables say."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib import figures

PROTOCOLS = [
    {"id": "paper", "k": 2, "leaks": True, "labels": True},
    {"id": "paper-shuffled", "k": 2, "leaks": True, "labels": "shuffled"},
    {"id": "by-child", "k": 2, "leaks": False, "labels": True},
]
ABOUT = {
    "experiment": "small",
    "title": "A small study",
    "scale": "demo",
    "seeds": [0, 1],
    "protocols": PROTOCOLS,
}


def _row(variant, protocol, ours, **changes):
    leaks = "no" if protocol == "by-child" else "yes"
    return {
        "variant": variant,
        "target": "age_months",
        "task": "regression",
        "model": "ignet-depth2",
        "metric": "mape",
        "protocol": protocol,
        "leaks": leaks,
        "published": "<= 0.4",
        "ours": str(ours),
        "low": str(ours - 1),
        "high": str(ours + 1),
        "seconds": "1",
        "classes": "",
        "dataset": "small",
        "status": "stand-in",
        "scale": "demo",
        "seeds": "0 1",
        **changes,
    }


def _trivial(model, protocol, ours, **changes):
    return _row("m", protocol, ours, model=model, seconds="", published="", **changes)


@pytest.fixture(autouse=True)
def _close():
    yield
    figures.plt.close("all")


def _texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_the_leak_has_a_bar_for_each_protocol_that_is_run():
    years = {"task": "classification", "metric": "accuracy", "target": "age_years"}
    rows = [
        _row("m", "paper", 5),
        _row("m", "by-child", 200),
        _row("y", "paper", 90, published="100", classes="9", **years),
        _row("y", "paper-shuffled", 80, published="100", classes="9", **years),
        _trivial("median", "paper", 30),
        _trivial("ridge", "paper", 12),
        _row("left-out", "paper", 1),
        _row("m", "by-drawing", 7),
    ]
    figure = figures.leak([({**ABOUT, "variants": ["m", "y"]}, rows)])
    months, classes = figure.axes
    assert [bar.get_height() for bar in months.patches] == [5, 200]
    assert [bar.get_height() for bar in classes.patches] == [90, 80]
    red, blue = (bar.get_facecolor() for bar in months.patches)
    assert red[0] > red[2] and blue[2] > blue[0]
    assert [bool(bar.get_hatch()) for bar in classes.patches] == [False, True]
    # cut off, and told
    assert months.get_ylim()[1] < 200
    assert "200.0 ↑" in [text.get_text() for text in months.texts]
    levels = {float(line.get_segments()[0][0][1]) for line in months.collections}
    assert {12, 30, 0.4} <= levels  # best trivial, median, published
    assert "(9 classes)" in classes.get_xticklabels()[0].get_text()
    assert "GENERATED STAND-IN" in _texts(figure) and "seeds: 0 1" in _texts(figure)


def test_the_ceiling_and_chance_are_no_best_trivial_baseline():
    years = {"task": "classification", "metric": "accuracy"}
    rows = [
        _row("m", "paper", 50, **years),
        _trivial("ceiling", "paper", 100, **years),
        _trivial("chance", "paper", 11, **years),
        _trivial("logistic", "paper", 40, **years),
    ]
    axis = figures.leak([({**ABOUT, "variants": ["m"]}, rows)]).axes[1]
    levels = [float(line.get_segments()[0][0][1]) for line in axis.collections]
    assert 40 in levels and 11 in levels and 100 not in levels


def test_depths_are_in_the_grids_order_with_a_line_for_each_protocol():
    panels = {
        "months": {"depth2": "d2-m", "depth3": "d3-m", "depth10": "d10-m"},
        "alone": {"depth2": "d2-a"},
    }
    about = {**ABOUT, "levels": ["depth2", "depth3", "depth10"], "panels": panels}
    rows = [
        _row("d10-m", "paper", 3),
        _row("d2-m", "paper", 1),
        _row("d2-m", "by-child", 20),
        _row("d3-m", "by-child", 30),
        _row("d2-a", "paper", 9),
        _row("d2-m", "paper", 7, seconds="", model="ridge"),
    ]
    figure = figures.depths(about, rows)
    axis = figure.axes[0]
    assert axis.get_title() == "months"
    assert len([a for a in figure.axes if a.get_title()]) == 1  # one depth is no curve
    labels = [text.get_text() for text in axis.get_xticklabels()]
    assert labels == ["depth2", "depth3", "depth10"]
    drawn = {c.get_label(): c.lines[0].get_ydata().tolist() for c in axis.containers}
    assert drawn["paper (leaks)"] == [1, 3]
    assert drawn["by-child (no leak)"] == [20, 30]


def test_noise_is_mapped_by_level_and_portion():
    known = {"a": [0.5, 0.2], "b": [0.05, 0.2], "c": [0.05, 0.05]}
    rows = [
        _row("a", "by-child", 30),
        _row("b", "by-child", 20),
        _row("c", "by-child", 10),
        _row("rotate-age", "by-child", 25),
    ]
    figure = figures.noise({**ABOUT, "noise": known}, rows)
    image = figure.axes[0].images[0].get_array()
    # lines: levels 0.05, 0.5; columns: portions 0.05, 0.2
    np.testing.assert_array_equal(image[0], [10, 20])
    assert np.isnan(np.asarray(image)[1, 0]) and image[1, 1] == 30
    assert [bar.get_width() for bar in figure.axes[1].patches] == [25]
    assert figure.axes[1].get_yticklabels()[0].get_text() == "rotate"


def test_noise_that_was_not_run_is_said():
    figure = figures.noise({**ABOUT, "noise": {}}, [_row("none-age", "by-child", 25)])
    assert "not run at this scale" in figure.axes[0].texts[0].get_text()


def test_drawings_are_chosen_by_the_quantiles_of_the_error():
    image = np.full((2, 2), 255, np.uint8)
    # relative errors 0, 1, 2, ... 10 %, out of order
    found = [
        (image, 100.0, 100.0 + error) for error in (3, 10, 0, 7, 1, 4, 9, 2, 6, 8, 5)
    ]
    chosen = figures.spread(found, 3)
    assert [one.error for one in chosen] == pytest.approx([0, 5, 10])
    assert [one.quantile for one in chosen] == [0, 0.5, 1]
    assert len(figures.spread(found[:2], 18)) == 2
    source = {"dataset": "small", "status": "local"}
    about = {**ABOUT, "variant": "m", "protocol": "by-child"}
    figure = figures.samples(about, chosen, source)
    assert "8;4, told 8;9" in figure.axes[1].get_title()
    assert "error 5.0 %, quantile 0.50" in figure.axes[1].get_title()
