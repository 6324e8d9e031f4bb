"""Model specs: what a good one builds, and an error with a place for every bad one."""

from __future__ import annotations

import math
from typing import Any

import pytest

import engine
from engine.spec import read_spec

DENSE = {"dense": {"units": 2}}
IMAGE = r"expects an input \(channels, height, width\), received"


def spec(*layers: Any, **changes: Any) -> dict[str, Any]:
    """Return a spec of these layers; changes replace whole keys of it."""
    whole = {"input": [1, 8, 6], "layers": list(layers), "loss": "squared_error"}
    return whole | changes


def conv(**changes: Any) -> dict[str, Any]:
    return {"conv": {"filters": 2, "kernel": 3} | changes}


def dense(name: str | None = None, inputs: Any = None, **changes: Any):
    entry = {"dense": {"units": 2} | changes}
    if name is not None:
        entry["name"] = name
    if inputs is not None:
        entry["inputs"] = inputs
    return entry


# --- good ones ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (conv(), (2, 6, 4)),
        (conv(kernel=[1, 5]), (2, 8, 2)),
        (conv(stride=2), (2, 3, 2)),
        (conv(stride=[3, 1]), (2, 2, 4)),
        (conv(kernel=2, stride=5), (2, 2, 1)),
        (conv(padding=1), (2, 8, 6)),
        (conv(padding=[2, 0]), (2, 10, 4)),
        (conv(padding="valid"), (2, 6, 4)),
        (conv(padding="same"), (2, 8, 6)),
        (conv(padding="same", kernel=4, stride=3), (2, 3, 2)),
        (conv(padding="same", kernel=[8, 6], dilation=3), (2, 8, 6)),
        (conv(dilation=2), (2, 4, 2)),
        (conv(kernel=[8, 6]), (2, 1, 1)),
        (conv(padding=[0, 1, 2, 3]), (2, 8, 8)),
        (conv(padding=[0, 1, 2, 3], padding_mode="edge"), (2, 8, 8)),
        (conv(padding="same", padding_mode="edge", stride=3), (2, 3, 2)),
        ({"pad": {"padding": 2}}, (1, 12, 10)),
        ({"pad": {"padding": [2, 1], "mode": "edge"}}, (1, 12, 8)),
        ({"pad": {"padding": [7, 5, 0, 1], "mode": "reflect"}}, (1, 15, 12)),
        ({"max_pool": {"size": 2}}, (1, 4, 3)),
        ({"max_pool": {"size": 3}}, (1, 2, 2)),
        ({"max_pool": {"size": 3, "stride": 2, "padding": 1}}, (1, 4, 3)),
        ({"max_pool": {"size": [2, 3], "stride": [1, 2]}}, (1, 7, 2)),
        ({"max_pool": {"size": 3, "ceil_mode": True}}, (1, 3, 2)),
        ({"max_pool": {"size": 3, "padding": [1, 0, 0, 2]}}, (1, 3, 2)),
        ({"max_pool": {"size": 3, "dilation": 2, "stride": 1}}, (1, 4, 2)),
        # With ceil_mode the last window must begin on the map or the padding before.
        (
            {
                "max_pool": {
                    "size": 3,
                    "stride": [4, 3],
                    "padding": 1,
                    "ceil_mode": True,
                }
            },
            (1, 3, 3),
        ),
        (
            {
                "average_pool": {
                    "size": 2,
                    "stride": 4,
                    "padding": [0, 0, 1, 3],
                    "ceil_mode": True,
                }
            },
            (1, 2, 2),
        ),
        ({"average_pool": {"size": 9, "ceil_mode": True}}, (1, 1, 1)),
        ({"average_pool": {"size": 2}}, (1, 4, 3)),
        ({"global_average_pool": {}}, (1,)),
        ({"activation": "relu"}, (1, 8, 6)),
        ({"activation": "softmax"}, (1, 8, 6)),
        ({"batch_norm": {}}, (1, 8, 6)),
        ({"dropout": 0.5}, (1, 8, 6)),
        ("flatten", (48,)),
        ({"reshape": {"shape": [4, 2, 6]}}, (4, 2, 6)),
        ({"reshape": {"shape": [48]}}, (48,)),
        ({"clip": {"maximum": 6}}, (1, 8, 6)),
        ({"scale": {"per": "element"}}, (1, 8, 6)),
        (dense(units=7), (7,)),
    ],
)
def test_output_shapes(layer, shape):
    _, layers, _ = read_spec(spec(layer))
    assert layers[0].out_shape == shape


def test_layers_without_a_name_are_called_by_kind_and_count():
    _, layers, _ = read_spec(
        spec(conv(), {"activation": "relu"}, conv(), dense("head"), dense())
    )
    names = [layer.name for layer in layers]
    assert names == ["conv1", "activation1", "conv2", "head", "dense2"]


def test_names_in_a_repeat_carry_the_turn():
    _, layers, _ = read_spec(
        spec({"repeat": {"times": 2, "layers": [dense("inner"), dense()]}})
    )
    names = [layer.name for layer in layers]
    assert names == ["inner-1", "dense2", "inner-2", "dense4"]


def test_inputs_may_be_counted_back():
    """... so that options can leave out the layer in between."""
    layers = read_spec(
        spec(
            dense("a", units=3),
            {"repeat": {"times": 2, "layers": [
                dense("b", units=3),
                {"add": {}, "inputs": [-1, "input"]},
                dense("c", inputs=[-2], units=3),
                {"add": {}, "inputs": [-1, -2]},
            ]}},
        )
    )[1]  # fmt: skip
    assert [layer.sources for layer in layers] == [
        [-1], [0], [1, 0], [1], [3, 2], [4], [5, 4], [5], [7, 6]
    ]  # fmt: skip


def test_defaults():
    _, (one, two, pool, three), _ = read_spec(
        spec(conv(), conv(kernel=1), {"max_pool": {"size": 2}}, DENSE)
    )
    assert [p.name for p in one.parameters] == ["weight"]
    assert one.settings["stride"] == one.settings["dilation"] == (1, 1)
    assert one.settings["padding"] == (0, 0, 0, 0)
    assert two.settings["groups"] == 1
    assert pool.geometry.stride == (2, 2)
    assert [p.name for p in three.parameters] == ["weight", "bias"]
    assert all(p.learned for p in three.parameters)


def test_a_spec_is_not_changed_by_building_it():
    given = spec(conv(), DENSE)
    engine.Network.from_spec(given, device="reference")
    assert given == spec(conv(), DENSE)


# --- bad ones -------------------------------------------------------------------------


def ends(loss: Any, *layers: Any) -> dict[str, Any]:
    return spec(DENSE, *layers, loss=loss)


SOFTMAX, SIGMOID = {"activation": "softmax"}, {"activation": "sigmoid"}
CLASSES, BITS = "softmax_cross_entropy", "binary_cross_entropy"

BAD = {
    # the whole
    "nothing": (None, "model: expected keys input, layers, loss, received None"),
    "a-list": ([DENSE], "model: expected keys input, layers, loss"),
    "no-input": ({"layers": [], "loss": "x"}, "model: the key 'input' is missing"),
    "no-loss": ({"input": [3], "layers": [DENSE]}, "model: the key 'loss' is missing"),
    "unknown-key": (spec(DENSE, layer=1), r"'layer' \(did you mean 'layers'\?\)"),
    # input
    "input-number": (spec(DENSE, input=8), "input: expected .* received 8"),
    "input-text": (spec(DENSE, input="8"), "input: expected .* received '8'"),
    "input-four": (spec(DENSE, input=[1] * 4), r"input: expected .* \[1, 1, 1, 1\]"),
    "input-zero": (spec(DENSE, input=[0]), r"input: .*at least 1, received \[0\]"),
    "input-negative": (spec(DENSE, input=[1, -8, 6]), r"received \[1, -8, 6\]"),
    "input-float": (spec(DENSE, input=[3.0]), r"input: expected .* received \[3.0\]"),
    "input-bool": (spec(DENSE, input=[True]), r"input: expected .* received \[True\]"),
    # entries
    "no-layers": (spec(), r"layers: expected a list of layers, received \[\]"),
    "layers-map": (spec(layers={"dense": 1}), "layers: expected a list of layers"),
    "entry-number": (spec(3), r"layers\[0\]: expected a layer such as .* received 3"),
    "entry-empty": (spec({}), r"layers\[0\]: expected one kind of layer"),
    "two-kinds": (spec(conv() | DENSE), r"layers\[0\]: .*keys \['conv', 'dense'\]"),
    "unknown-layer": (spec({"dens": {}}), r"layers\[0\]: .*'dens' \(did you .*'dense'"),
    "function-as-layer": (spec("relu", DENSE), r"layers\[0\]: unknown layer 'relu'"),
    "only-a-name": (spec({"name": "a"}), r"layers\[0\]: expected one kind of layer"),
    "unknown-beside": (spec(DENSE | {"nam": "a"}), r"\['dense', 'nam'\]"),
    # names and inputs
    "name-twice": (spec(dense("a"), dense("a")), r"layers\[1\]: the name 'a' is alre"),
    "name-counted": (
        spec(dense("dense2"), DENSE),
        r"layers\[1\]: the name 'dense2' is",
    ),
    "name-input": (spec(dense("input")), r"layers\[0\]: the name 'input' is already"),
    "name-digit": (spec(dense("1a")), r"layers\[0\]: name: expected letters"),
    "name-number": (spec(dense(name=3)), r"layers\[0\]: name: .*received 3"),
    "inputs-unknown": (
        spec(dense("first"), dense(inputs=["frist"])),
        r"layers\[1\] dense: inputs: .*'frist' \(did you mean 'first'\?\)",
    ),
    "inputs-back-too-far": (
        spec(dense("a"), dense(inputs=[-2])),
        r"layers\[1\] dense: inputs: .*-1 \(the one before\), -2, …, received -2",
    ),
    "inputs-forward": (spec(dense(inputs=[0])), r"inputs: .*received 0"),
    "inputs-empty": (
        spec(dense(inputs=[])),
        r"layers\[0\] dense: inputs: expected nam",
    ),
    "inputs-text": (
        spec(dense(inputs="input")),
        "inputs: expected names, received 'in",
    ),
    "inputs-two": (
        spec(dense(inputs=["input"] * 2)),
        "dense takes one input, received",
    ),
    "inputs-later": (
        spec(dense("a"), {"add": {}, "inputs": ["a", "b"]}, dense("b")),
        r"layers\[1\] add: inputs: expected names of layers that stand before .*'b'",
    ),
    "cycle": (
        spec({"add": {}, "inputs": ["sum", "input"], "name": "sum"}, DENSE),
        r"layers\[0\] add: inputs: expected names of layers that stand before .*'sum'",
    ),
    "unused": (
        spec(dense("lost"), dense(inputs=["input"])),
        r"layers\[0\] dense \(lost\): no layer takes its output",
    ),
    # conv
    "conv-filters": (spec(conv(filters=0)), r"conv \(conv1\): filters: .*received 0"),
    "conv-no-filters": (spec({"conv": {"kernel": 3}}), "setting 'filters' is missing"),
    "conv-kernel-0": (spec(conv(kernel=0)), r"layers\[0\] conv .*kernel: .*received 0"),
    "conv-kernel-3": (spec(conv(kernel=[3, 3, 3])), r"kernel: .*received \[3, 3, 3\]"),
    "conv-kernel-text": (spec(conv(kernel="3")), "kernel: expected an .*received '3'"),
    "conv-kernel-float": (spec(conv(kernel=2.5)), "kernel: expected .*received 2.5"),
    "conv-too-large": (
        spec(DENSE | {"name": "x"}, layers=[conv(), conv(kernel=7), DENSE]),
        r"layers\[1\] conv \(conv2\): the kernel \(7, 7\) .* padded input \(6, 4\)",
    ),
    "conv-too-dilated": (
        spec(conv(dilation=4), DENSE),
        r"\(dilation \(4, 4\)\) is lar",
    ),
    "conv-stride": (spec(conv(stride=[1, 0])), r"stride: .*received \[1, 0\]"),
    "conv-padding": (spec(conv(padding=-1)), "padding: .*at least 0.*received -1"),
    "conv-padding-word": (
        spec(conv(padding="sam")),
        r"padding: .*\(did you mean 'same",
    ),
    "conv-padding-three": (
        spec(conv(padding=[1, 2, 3])),
        r"conv1\): padding: .*four \[top, left, bottom, right\], received \[1, 2, 3\]",
    ),
    "conv-padding-mode": (
        spec(conv(padding_mode="egde")),
        r"conv1\): padding_mode: .*received 'egde' \(did you mean 'edge'",
    ),
    "conv-padding-mode-reflect": (
        spec(conv(padding_mode="reflect")),
        "padding_mode: expected one of zeros, edge, received 'reflect'",
    ),
    "conv-edge-too-large": (
        spec(conv(kernel=11, padding=1, padding_mode="edge"), DENSE),
        r"the kernel \(11, 11\) .* larger than its padded input \(10, 8\)",
    ),
    # batch_norm
    "norm-unknown": (
        spec({"batch_norm": {"momentun": 0.1}}),
        r"layers\[0\] batch_norm \(batch_norm1\): .*'momentun' \(did you mean",
    ),
    "norm-momentum": (
        spec({"batch_norm": {"momentum": 1.5}}),
        r"batch_norm1\): momentum: expected a number in \[0.0, 1.0\], received 1.5",
    ),
    "norm-epsilon": (
        spec({"batch_norm": {"epsilon": -1e-5}}),
        r"batch_norm1\): epsilon: .*received -1e-05",
    ),
    "norm-affine": (
        spec({"batch_norm": {"affine": 1}}),
        r"batch_norm1\): affine: expected true, false, gamma or beta, received 1",
    ),
    "norm-number": (
        spec({"batch_norm": 0.9}),
        r"batch_norm1\): expected settings by name, received 0.9",
    ),
    # more of conv
    "conv-dilation": (spec(conv(dilation=0)), "dilation: .*received 0"),
    "conv-groups": (spec(conv(groups=2)), r"groups must divide .*\(=1\) .*\(=2\)"),
    "conv-bias": (spec(conv(bias=True)), "bias: expected one of none, learned, fixed"),
    "conv-unknown": (spec(conv(strides=2)), r"'strides' \(did you mean 'stride'\?\)"),
    "conv-number": (
        spec({"conv": 3}),
        r"conv1\): expected settings by name, received 3",
    ),
    "conv-on-vector": (
        spec(DENSE, conv()),
        r"layers\[1\] conv \(conv1\): conv " + IMAGE,
    ),
    "conv-name": (
        spec(conv(stride=0) | {"name": "eye"}),
        r"conv \(eye\): stride: expec",
    ),
    # dense
    "dense-units": (spec(dense(units=-1)), r"dense \(dense1\): units: .*received -1"),
    "dense-units-text": (spec(dense(units="2")), "units: expected an .*received '2'"),
    "dense-units-float": (spec(dense(units=2.0)), "units: .*received 2.0"),
    "dense-units-bool": (spec(dense(units=True)), "units: .*received True"),
    "dense-no-units": (spec("dense"), r"layers\[0\] dense .*'units' is missing"),
    "dense-unknown": (spec(dense(unit=2)), r"'unit' \(did you mean 'units'\?\)"),
    "init-law": (spec(dense(init="glorot")), r"init: .*\(did you mean 'glorot_normal"),
    "init-setting": (
        spec(dense(init={"normal": {"sd": 1}})),
        "normal: unknown setting",
    ),
    "init-negative": (spec(dense(init={"normal": {"sigma": -1}})), "sigma: .*-1"),
    "init-nan": (spec(dense(init={"uniform": {"W": math.nan}})), "W: .*received nan"),
    "init-number": (
        spec(dense(init=3)),
        "init: expected the name of a law .*received 3",
    ),
    # activation and dropout
    "activation-unknown": (spec({"activation": "rleu"}), r"\(did you mean 'relu'\?\)"),
    "activation-none": (spec("activation"), "expected the name of an activation"),
    "activation-slope": (spec({"activation": {"relu": 0.1}}), "relu has no slope"),
    "softmax-slope": (spec({"activation": {"softmax": 1}}), "softmax has no slope"),
    "slope-negative": (spec({"activation": {"leaky_relu": -1}}), "leaky_relu: .*-1"),
    "slope-text": (spec({"activation": {"leaky_relu": "a"}}), "leaky_relu: .*'a'"),
    "dropout-all": (
        spec({"dropout": 1.0}),
        r"dropout1\): .*\[0.0, 1.0\), received 1.0",
    ),
    "dropout-negative": (spec({"dropout": -0.1}), r"dropout1\): .*received -0.1"),
    "dropout-text": (spec({"dropout": "half"}), r"dropout1\): .*received 'half'"),
    "dropout-huge": (spec({"dropout": 10**400}), r"dropout1\): expected a number in"),
    # dropconnect, freezeconnect, bias_rate
    "dropconnect-all": (
        spec(DENSE, dense(dropconnect=1.0)),
        r"layers\[1\] dense \(dense2\): dropconnect: .*\[0.0, 1.0\), received 1.0",
    ),
    "freezeconnect-all": (
        spec(conv(freezeconnect=1)),
        r"layers\[0\] conv \(conv1\): freezeconnect: .*\[0.0, 1.0\), received 1",
    ),
    "freezeconnect-name": (
        spec(conv(frezeconnect=0.1)),
        r"conv1\): .*'frezeconnect' \(did you mean 'freezeconnect'\?\)",
    ),
    "bias-rate-negative": (
        spec(dense(bias_rate=-1)),
        r"dense \(dense1\): bias_rate: expected a number in .*received -1",
    ),
    "bias-rate-of-none": (
        spec(conv(bias_rate=2)),
        r"layers\[0\] conv \(conv1\): bias_rate \(=2.0\) expects bias: learned, "
        "received bias: none",
    ),
    "bias-rate-of-fixed": (
        spec(dense(bias_rate=0.5, bias="fixed")),
        r"dense1\): bias_rate \(=0.5\) expects .* received bias: fixed",
    ),
    # add, concat, flatten, repeat
    "add-one": (spec({"add": {}}), "add takes two inputs or more, received 1"),
    "add-shapes": (
        spec(dense("a"), dense("b", units=3), {"add": {}, "inputs": ["a", "b"]}),
        r"layers\[2\] add \(add1\): .*one shape, received \(2,\), \(3,\)",
    ),
    "concat-shapes": (
        spec(conv(), {"concat": {}, "inputs": ["conv1", "input"]}, DENSE),
        r"concat1\): .*one height and width, received \(2, 6, 4\), \(1, 8, 6\)",
    ),
    "flatten-settings": (spec({"flatten": {"axis": 1}}), "unknown setting 'axis'"),
    "repeat-0": (spec({"repeat": {"times": 0, "layers": [DENSE]}}), "repeat: times: "),
    "repeat-empty": (
        spec({"repeat": {"times": 2, "layers": []}}),
        r"repeat\.layers: ex",
    ),
    "repeat-missing": (spec({"repeat": {"times": 2}}), "repeat: the setting 'layers'"),
    "repeat-name": (
        spec({"repeat": {"times": 2, "layers": [DENSE]}, "name": "r"}),
        r"layers\[0\] repeat: takes no name and no inputs",
    ),
    "repeat-second-turn": (
        spec({"repeat": {"times": 3, "layers": [conv(kernel=4)]}}, DENSE),
        r"layers\[0\] repeat\.layers\[0\] conv \(conv2\): the kernel \(4, 4\)",
    ),
    # the end
    "classes-of-an-image": (
        spec(conv(), loss="softmax_cross_entropy"),
        r"layers\[0\] conv \(conv1\): with the loss softmax_cross_entropy the last "
        r"layer must give \(classes,\), received \(2, 6, 4\); end with a dense",
    ),
    "softmax-twice": (
        ends(CLASSES, SOFTMAX),
        r"layers\[1\] activation \(activation1\): expected logits before the loss "
        "softmax_cross_entropy, which applies its own softmax, received a softmax: the "
        "loss could never come near 0. Leave this layer out, or choose another loss",
    ),
    "sigmoid-twice": (ends(BITS, SIGMOID), "applies its own sigmoid, received a sigm"),
    "sigmoid-then-softmax": (ends(CLASSES, SIGMOID), "softmax, received a sigmoid"),
    "softmax-then-sigmoid": (ends(BITS, SOFTMAX), "sigmoid, received a softmax"),
    "softmax-and-dropout": (
        ends(CLASSES, SOFTMAX, {"dropout": 0.5}, "flatten", {"activation": "identity"}),
        r"layers\[1\] activation .* expected logits",
    ),
    "softmax-by-name": (
        ends({CLASSES: {"reduction": "sum"}}, SOFTMAX | {"name": "p"}),
        r"activation \(p\): expected logits",
    ),
    "loss-unknown": (spec(DENSE, loss="mean_squared_eror"), r"'mean_squared_error'\?"),
    "loss-none": (spec(DENSE, loss=None), "loss: expected the name of a loss"),
    "loss-two": (spec(DENSE, loss={"a": 1, "b": 2}), "loss: expected the name of a"),
    "loss-setting": (
        spec(DENSE, loss={"squared_error": {"reduce": "sum"}}),
        r"loss: squared_error: unknown setting 'reduce' \(did you mean 'reduction'\?\)",
    ),
    "loss-reduction": (
        spec(DENSE, loss={"squared_error": {"reduction": "avg"}}),
        "reduction: expected one of mean, sum, received 'avg'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_spec(name):
    given, text = BAD[name]
    with pytest.raises(engine.SpecError, match=text):
        engine.Network.from_spec(given, device="reference")


@pytest.mark.parametrize(
    "given",
    [
        ends("squared_error", SOFTMAX),
        ends("mean_squared_error", SIGMOID),
        ends(CLASSES, SIGMOID, DENSE),
        ends(CLASSES, {"activation": "bipolar_sigmoid"}),
        ends(BITS, {"activation": "tanh"}),
        spec("flatten", loss=BITS),
    ],
)
def test_what_is_applied_once_is_built(given):
    read_spec(given)
