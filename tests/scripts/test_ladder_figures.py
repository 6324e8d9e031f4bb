"""The figures of a ladder: drawn from small files, with what they must show."""

import argparse
import json
from collections import Counter

import numpy as np
import pytest

from scripts import ladder_figures, ladder_table
from scripts.lib import figures

from .ladder_files import ABOVE, about, write_ladder


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Return a function that makes a figure and returns it, open."""

    def draw(make, seeds=(0,)):
        files = write_ladder(tmp_path, seeds)
        files.about_json = json.dumps(about(seeds))
        ladder_table.make_table(files)
        found = []
        monkeypatch.setattr(figures, "save", lambda figure, path: found.append(figure))
        table = files.output_stem.with_suffix(".csv")
        more = {"table": table, "output": tmp_path / "x.png"}
        make(argparse.Namespace(**vars(files), **more))
        (figure,) = found
        return figure

    yield draw
    figures.plt.close("all")


def words(figure):
    texts = [text.get_text() for text in figure.texts]
    for axis in figure.axes:
        texts += [axis.get_title(), axis.get_xlabel(), axis.get_ylabel()]
        texts += [text.get_text() for text in axis.texts]
    return "\n".join(texts)


def stars(axis):
    return [line.get_ydata() for line in axis.lines if line.get_marker() == "*"]


def test_curves_have_a_panel_for_each_training_and_the_published_marks(drawn):
    figure = drawn(ladder_figures.make_curves, (0, 1))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["Flat", "Deep", "Both"]  # the final rung's are those of Both
    both = figure.axes[2]
    curves = [list(line.get_ydata()) for line in both.lines if line.get_marker() == "."]
    assert curves == [[50, 90], [60, 40]] * 2
    assert np.ravel(stars(both)).tolist() == [90, 60]
    assert "GENERATED STAND-IN" in words(figure)


def test_published_accuracies_far_above_ours_stand_at_the_upper_end(drawn, monkeypatch):
    much = {"train": 990.0, "validation": 980.0, "where": "S4"}
    told = about()
    told["rungs"][2]["published"] = much
    monkeypatch.setattr("tests.scripts.test_ladder_figures.about", lambda seeds: told)
    axis = drawn(ladder_figures.make_curves).axes[2]
    top = axis.get_ylim()[1]
    assert 100 < top < 140
    marks = np.ravel(stars(axis)).tolist()
    assert marks == [pytest.approx(top), pytest.approx(0.88 * top)]
    assert [t.get_text().strip() for t in axis.texts] == ["990.0 ↑", "980.0 ↑"]


def test_accuracy_shows_each_training_once_and_all_that_is_published(drawn):
    figure = drawn(ladder_figures.make_accuracy)
    costs = figure.axes[0]
    assert costs.get_legend_handles_labels()[1] == ["Flat", "Deep", "Both"]
    assert np.ravel(stars(costs)).tolist() == [50]  # of the final rung
    # two rungs have as many parameters, and do not hide each other
    places = [c.lines[0].get_xdata()[0] for c in costs.containers]
    assert len({round(place, 3) for place in places}) == 3
    assert "intervals over the images" in words(figure)


def test_confusion_counts_superclasses(drawn):
    figure = drawn(ladder_figures.make_confusion, (0, 1))
    (axis,) = figure.axes
    # of 8 images and two seeds one d is taken for an a
    assert axis.images[0].get_array().tolist() == [[100, 0], [12.5, 87.5]]
    assert axis.get_title().startswith("Final: 0.0 % of the errors stay within")
    assert "by chance 33.3 %" in axis.get_title()


def test_errors_within_the_superclass():
    told = Counter({("a", "b"): 3, ("a", "c"): 1, ("c", "c"): 50})
    assert ladder_figures.errors_within(told, ABOVE) == (75, pytest.approx(100 / 3))
    assert ladder_figures.errors_within({("a", "a"): 9}, ABOVE) == (0, 0)


def test_gradients_that_are_zero_stay_visible(drawn):
    figure = drawn(ladder_figures.make_gradients)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["before the first step", "after epoch 1", "after epoch 2"]
    before, _, last = figure.axes
    # rungs of the first recipe only
    assert before.get_legend_handles_labels()[1] == ["Flat", "Deep"]

    def marks(axis):
        lines = [line for line in axis.lines if line.get_marker() == "v"]
        return [(x, y) for line in lines for x, y in zip(*line.get_data(), strict=True)]

    assert marks(before) == []
    assert [x for x, _ in marks(last)] == [2, 2]
    foot = last.get_ylim()[0]
    assert all(foot < y < 0.1 for _, y in marks(last))


def test_a_figure_is_written(tmp_path):
    files = write_ladder(tmp_path)
    files.about_json = json.dumps(about())
    output = tmp_path / "figures/gradients.png"
    ladder_figures.make_gradients(argparse.Namespace(**vars(files), output=output))
    first = output.read_bytes()
    assert first.startswith(b"\x89PNG")
    ladder_figures.make_gradients(argparse.Namespace(**vars(files), output=output))
    assert output.read_bytes() == first
