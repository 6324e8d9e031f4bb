"""S0 Fig. 4: the MAV table, its golden relations, the bounds, and `tune`."""

from __future__ import annotations

import re

import numpy as np
import pytest

import engine
from engine.diagnostics import BAND, Table, bounds, mav, tune


def ignet(*ranges: float, loss: str = "mean_absolute_error", units: int = 1) -> dict:
    """Return an IgNet: convolutions and one dense layer with these W^n."""
    *convolutions, last = ranges
    layers = []
    for number, w in enumerate(convolutions):
        conv = {"filters": 8 if number == 0 else 5, "init": {"uniform": {"W": w}}}
        conv |= {"kernel": 9, "stride": 3} if number == 0 else {"kernel": 3}
        layers += [{"conv": conv}, {"activation": "identity"}]
    dense = {"units": units, "bias": "none", "init": {"uniform": {"W": last}}}
    return {"input": [1, 58, 36], "layers": [*layers, {"dense": dense}], "loss": loss}


def sheets(n: int = 16) -> np.ndarray:
    """Return n images of mostly white paper, 1 = white, as in S0 Fig. 4."""
    generator = np.random.Generator(np.random.PCG64(8))
    return 1.0 - 0.3 * generator.random((n, 1, 58, 36)) ** 8


def ages(n: int = 16) -> np.ndarray:
    return np.linspace(40.0, 140.0, n)


def network(spec: dict, device, seed: int = 0) -> engine.Network:
    return engine.Network.from_spec(spec, device=device, seed=seed)


# --- the table ------------------------------------------------------------------------


def test_golden_relations_of_figure_4(any_device):
    first, last = mav(network(ignet(4.0, 2.0), any_device), sheets(), ages()).rows
    rel = 1e-12 if any_device.dtype == np.float64 else 1e-5
    # "der_b(1) = der(1) × weights(2) × der_b(2)" and "layer 2 exact" to all digits.
    assert first.der_b == pytest.approx(first.der * last.weights * last.der_b, rel=rel)
    assert first.metric == pytest.approx(first.der_b, rel=rel)
    assert last.der_b == pytest.approx(1.0, rel=rel)  # MAE, one identity neuron
    assert last.der_w == pytest.approx(last.in_map * last.der_b, rel=rel)
    # "der_w ≈ in_map × der_b" of layer 1: 0.4 % apart in the figure.
    assert first.der_w == pytest.approx(first.in_map * first.der_b, rel=0.01)
    assert first.in_map == pytest.approx(sheets().mean(), rel=rel)
    assert (first.biases, last.metric) == (None, None)
    assert (first.der, last.der) == (1.0, 1.0)


def test_ten_times_w2_gives_ten_times_der_w_of_layer_1(any_device):
    a = mav(network(ignet(4.0, 1.0), any_device), sheets(), ages()).rows
    b = mav(network(ignet(4.0, 10.0), any_device), sheets(), ages()).rows
    assert b[0].der_w == pytest.approx(10 * a[0].der_w, rel=1e-5)
    assert b[1].der_w == pytest.approx(a[1].der_w, rel=1e-5)
    assert (a[0].verdict, b[0].verdict) == ("slow", "good")


def test_equations_1_to_2a_by_hand(reference):
    """Two layers, a sigmoid between, a bias each: every sum written out."""
    spec = {
        "input": [1, 3, 3],
        "layers": [
            {"conv": {"filters": 2, "kernel": 2, "bias": "learned",
                      "init": {"uniform": {"W": 3.0, "B": 0.5}}}},
            {"activation": "sigmoid"},
            {"dense": {"units": 2, "init": {"uniform": {"W": 2.0, "B": 0.1}}}},
        ],
        "loss": "squared_error",
    }  # fmt: skip
    net = network(spec, reference)
    p = net.parameters()
    generator = np.random.Generator(np.random.PCG64(1))
    x, t = generator.random((1, 1, 3, 3)), generator.random((1, 2))

    w1, b1 = p["conv1.weight"], p["conv1.bias"]
    w2, b2 = p["dense1.weight"].reshape(2, 2, 2, 2), p["dense1.bias"]
    places = [(i, j) for i in range(2) for j in range(2)]
    s = np.zeros((2, 2, 2))
    for f in range(2):
        for i, j in places:
            s[f, i, j] = b1[f] + (w1[f, 0] * x[0, 0, i : i + 2, j : j + 2]).sum()
    a = 1.0 / (1.0 + np.exp(-s))
    out = np.array([b2[o] + (w2[o] * a).sum() for o in range(2)])
    delta2 = out - t[0]  # Eq. (2), N' = 1
    delta1 = a * (1 - a) * sum(w2[o] * delta2[o] for o in range(2))  # Eq. (2a)
    terms1 = [
        x[0, 0, i + u, j + v] * delta1[f, i, j]  # Eq. (1a)
        for f in range(2) for i, j in places for u, v in places
    ]  # fmt: skip
    terms2 = [a[f, i, j] * d for d in delta2 for f in range(2) for i, j in places]

    first, last = mav(net, x, t).rows
    for row, terms, delta, w, b, inputs in (
        (first, terms1, delta1, w1, b1, x),
        (last, terms2, delta2, w2, b2, a),
    ):
        assert row.der_w == pytest.approx(np.abs(terms).mean())
        assert row.der_w_mean == pytest.approx(np.mean(terms))
        assert row.der_b == pytest.approx(np.abs(delta).mean())
        assert row.weights == pytest.approx(np.abs(w).mean())
        assert row.biases == pytest.approx(np.abs(b).mean())
        assert row.in_map == pytest.approx(np.abs(inputs).mean())
    assert first.der == pytest.approx((a * (1 - a)).mean())
    sums = [sum(terms2[i :: len(terms2)]) for i in range(len(terms2))]
    assert last.gradient == pytest.approx(np.abs(sums).mean())


def test_terms_of_a_convolution_in_groups_by_hand(any_device):
    conv = {"filters": 4, "kernel": 2, "stride": 2, "padding": 1, "groups": 2}
    spec = {
        "input": [6, 4, 5],
        "layers": [{"conv": conv}],
        "loss": "squared_error",
    }
    net = network(spec, any_device)
    generator = np.random.Generator(np.random.PCG64(2))
    x = generator.random((3, 6, 4, 5)) - 0.5
    t = generator.random((3, *net.output_shape))
    delta = net.predict(x) - t  # N' = 1, Loss = ½ Σ (y − t)² of each sample
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    terms = [
        padded[n, 3 * (f // 2) + c, 2 * i + u, 2 * j + v] * delta[n, f, i, j]
        for n, f, i, j in np.ndindex(delta.shape)
        for c, u, v in np.ndindex(3, 2, 2)
    ]
    (row,) = mav(net, x, t).rows
    assert row.der_w == pytest.approx(np.abs(terms).mean(), rel=1e-5)
    assert row.der_w_mean == pytest.approx(np.mean(terms), rel=1e-4)


@pytest.mark.parametrize("loss", ["mean_absolute_error", "softmax_cross_entropy"])
def test_devices_agree(loss, device, reference):
    spec = ignet(6.0, 2.0, 3.0, loss=loss, units=4)
    t = np.arange(16) % 4 if "softmax" in loss else np.outer(ages(), [1, 2, 3, 4])
    tables = [mav(network(spec, d), sheets(), t) for d in (device, reference)]
    for ours, expected in zip(*(table.rows for table in tables), strict=True):
        assert ours.der_w == pytest.approx(expected.der_w, rel=1e-4)
        assert ours.der_b == pytest.approx(expected.der_b, rel=1e-4)
        assert ours.gradient == pytest.approx(expected.gradient, rel=1e-3)


def test_edges_are_inputs_as_those_of_a_layer_that_pads(any_device):
    head = {"dense": {"units": 1}}
    conv = {"filters": 3, "kernel": 3}
    specs = [
        [{"conv": conv | {"padding": 1, "padding_mode": "edge"}}, head],
        [{"pad": {"padding": 1, "mode": "edge"}}, {"conv": conv}, head],
    ]
    tables = []
    for layers in specs:
        net = network(ignet(1.0) | {"layers": layers}, any_device)
        for name, values in net.parameters().items():
            net.set_parameters(
                {name: np.linspace(-0.1, 0.2, values.size).reshape(values.shape)}
            )
        tables.append(mav(net, sheets(), ages()).text())
    assert tables[0] == tables[1]


def test_softmax_has_the_derivative_of_footnote_2(reference):
    layers = [{"dense": {"units": 3}}, {"activation": "softmax"}]
    spec = {"input": [4], "layers": layers, "loss": "mean_squared_error"}
    net, x = network(spec, reference), np.eye(4)
    s = net.predict(x).astype(np.float64)
    (row,) = mav(net, x, np.zeros((4, 3))).rows
    assert row.der == pytest.approx((s * (1.0 - s)).mean(), rel=1e-6)


def test_a_later_step_and_nothing_is_updated(any_device):
    net = network(ignet(4.0, 2.0), any_device)
    trainer = engine.Trainer(net, {"sgd": {"learning_rate": 0.01}})
    start = mav(net, sheets(), ages())
    for _ in range(3):
        trainer.step(sheets(), ages())
    before = net.parameters()
    later = mav(net, sheets(), ages())
    assert later.rows[1].weights != start.rows[1].weights
    for name, values in net.parameters().items():
        np.testing.assert_array_equal(values, before[name])
    assert mav(net, sheets(), ages()) == later


def test_text_has_the_blocks_and_columns_of_figure_4(reference):
    table = mav(network(ignet(4.0, 2.0), reference), sheets(), ages())
    first, last = table.rows
    mean, stars, head, one, two, gap, abilities, *more = table.text().splitlines()
    assert (mean, gap) == ("LAYERS MAV:", "")
    assert set(stars) == {"*"}
    assert {len(stars), len(one), len(two)} == {len(head)}
    columns = "layer, biases MAV, der_w MAV***, in_map MAV*, der MAV*, weights MAV*"
    columns += ", der_b MAV*, convergency metric"
    assert re.split(r" {2,}", head) == columns.split(", ")
    values = [first.der_w, first.in_map, 1.0, first.weights, first.der_b, first.metric]
    assert one.split() == ["1", *(f"{value:.6f}" for value in values)]  # no biases
    assert two.split()[-1] == "1.000000"  # der_b: no layer behind, no metric
    assert abilities == "LAYERS CONVERGENCY ABILITIES:"
    assert more[1].split()[:5] == ["layer", "der_w", "MAV", "der_w", "MEAN"]
    signed = [f"{row.der_w:.6f} {row.der_w_mean:.6f}".split() for row in table.rows]
    assert [line.split()[1:3] for line in more[2:4]] == signed
    legend = table.text().partition("\n*  ")[2]
    assert "(mean absolute value) of the input map |In|" in legend
    assert "***  MAV of the derivative by a weight" in legend
    assert [record["layer"] for record in table.records()] == ["conv1", "dense1"]
    assert table.records()[1]["verdict"] == last.verdict


def test_small_values_keep_their_digits(reference):
    row = mav(network(ignet(4.0, 1e-5), reference), sheets(), ages()).rows[0]
    assert 0 < row.der_w < 5e-7
    assert f" {row.der_w:.3e} " in Table([row]).text()


# --- advice ---------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [(1.0, 1.0), (1.0, 90.0), (0.1, 4.0)])
def test_the_range_that_is_advised_brings_the_layer_to_the_ends(ranges, any_device):
    table = mav(network(ignet(*ranges), any_device), sheets(), ages())
    (advice,) = table.advice()
    number = {"conv1": 0, "dense1": 1}
    at, change = number[advice.layer], number[advice.change]
    assert at != change
    assert 0.9 * ranges[change] < advice.W <= ranges[change]
    for W, end in ((advice.low, BAND[0]), (advice.high, BAND[1])):
        again = list(ranges)
        again[change] *= W / advice.W
        found = mav(network(ignet(*again), any_device), sheets(), ages()).rows
        assert found[at].der_w == pytest.approx(end, rel=1e-4)
        assert found[change].der_w == pytest.approx(table.rows[change].der_w, rel=1e-4)
    wanted = f"W of {advice.change} from {advice.W:.4g} to {advice.low:.4g} ... "
    assert f"{wanted}{advice.high:.4g} would bring it to 0.01 ... 0.1" in table.text()


def test_nothing_is_advised_where_all_is_well_or_no_range_helps(reference):
    tuned = network(ignet(4.0, 6.0), reference)
    good = tune(tuned, sheets(), ages()).table
    assert good.advice() == []
    assert good.text().endswith("All layers are in the band 0.01-0.1.")
    alone = mav(network(ignet(1.0), reference), sheets(), ages())
    assert alone.rows[0].verdict == "may explode"
    assert alone.advice() == []
    assert "no range of another layer's weights changes it" in alone.text()


@pytest.mark.parametrize("measure", [mav, bounds, tune])
def test_a_network_without_weights(measure, reference):
    spec = {"input": [3], "layers": [{"activation": "tanh"}], "loss": "squared_error"}
    with pytest.raises(engine.InputError, match="with a conv or dense layer, found"):
        measure(network(spec, reference), np.ones((2, 3)), np.ones((2, 3)))


# --- bounds ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_corrected_bounds_hold(seed, reference):
    net = network(ignet(3.0, 2.0, 4.0, 1.5), reference, seed)
    found = bounds(net, sheets(), ages())
    for row in found:
        assert row.in_max <= row.in_bound
        assert row.der_w_max <= row.der_w_bound
        assert row.in_printed <= row.in_bound
    for row, w in zip(found, (3.0, 2.0, 4.0, 1.5), strict=True):
        assert 0.8 * w < row.W <= w
    assert found[2].in_printed == pytest.approx(found[0].W * found[1].W)
    assert found[2].in_bound == pytest.approx(found[0].W * 8 * found[1].W)
    assert found[0].der_w_printed == found[1].W
    assert found[1].der_w_printed == pytest.approx(found[2].W * found[0].W * found[1].W)


def test_printed_bounds_do_not_hold_with_several_maps(reference):
    """Why the corrected ones stand beside: all weights of one sign, 8 maps."""
    net = network(ignet(1.0, 1.0, 1.0), reference)
    net.set_parameters({k: abs(v) for k, v in net.parameters().items()})
    found = bounds(net, sheets(), ages())
    assert found[2].in_max > found[2].in_printed
    assert found[2].in_max <= found[2].in_bound


# --- tune -----------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [(1.0, 1.0), (100.0, 0.01), (5, 1, 1, 1, 1, 1, 1)])
def test_linear_networks_are_in_the_band_after_one_restart(ranges, any_device):
    spec = ignet(*ranges)
    if len(ranges) > 4:  # depth 7 does not fit with a stride
        spec["layers"][0]["conv"]["stride"] = 1
    net = network(spec, any_device)
    reached = tune(net, sheets(4), ages(4))
    assert reached.outside == []
    assert reached.starts == 2
    assert {row.verdict for row in reached.table.rows} == {"good"}
    assert mav(net, sheets(4), ages(4)) == reached.table
    # What it says is what a restart with these W^n gives.
    for layer, w in zip(spec["layers"][::2], reached.W.values(), strict=True):
        (settings,) = layer.values()
        settings["init"]["uniform"]["W"] *= reached.factors[
            "dense1"
            if "dense" in layer
            else f"conv{spec['layers'].index(layer) // 2 + 1}"
        ]
        assert w <= settings["init"]["uniform"]["W"]
    again = mav(network(spec, any_device), sheets(4), ages(4))
    for ours, expected in zip(again.rows, reached.table.rows, strict=True):
        assert ours.der_w == pytest.approx(expected.der_w, rel=1e-4)


def test_activations_that_bend_take_more_restarts(reference):
    spec = ignet(300.0, 2.0, 3.0)
    spec["layers"][1] = spec["layers"][3] = {"activation": "bipolar_sigmoid"}
    reached = tune(network(spec, reference), sheets(), ages())
    assert reached.outside == []
    assert 2 < reached.starts <= 21
    assert "conv2: W = " in reached.text()


def test_what_cannot_be_brought_in_is_named(reference):
    net = network(ignet(1.0, 1.0), reference)
    reached = tune(net, sheets(), ages(), restarts=0)
    assert reached.outside == ["conv1"]
    assert "not in the band 0.01-0.1 after 1 starts: conv1" in reached.text()


def test_a_derivative_of_zero(reference):
    spec = ignet(1.0, 1.0)
    spec["layers"][1] = {"activation": "relu"}
    spec["layers"][0]["conv"] |= {"bias": "fixed", "init": {"uniform": {"W": 1e-9}}}
    net = network(spec, reference)
    net.set_parameters({"conv1.bias": np.full(8, -1.0)})
    with pytest.raises(engine.NumericsError, match=r"reaches the weights of conv1, "):
        tune(net, sheets(), ages())


@pytest.mark.parametrize("restarts", [-1, 1.5, True, "3"])
def test_restarts_are_a_whole_number(restarts, reference):
    with pytest.raises(engine.InputError, match="restarts: expected an integer"):
        tune(network(ignet(1.0, 1.0), reference), sheets(), ages(), restarts=restarts)


def test_one_layer_cannot_be_tuned(reference):
    with pytest.raises(engine.InputError, match="two layers with weights or more"):
        tune(network(ignet(1.0), reference), sheets(), ages())
