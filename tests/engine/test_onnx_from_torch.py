"""A residual network with squeeze-and-excitation, as PyTorch writes it to ONNX."""

from __future__ import annotations

import warnings

import pytest

from engine import exchange
from tests.engine.cases import relative
from tests.engine.onnx_models import kinds, numbers

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
pytestmark = pytest.mark.compare

TOLERANCE = 1e-4


class Block(nn.Module):
    """relu6(gate(y) · y + shortcut(x)), y two convolutions of x."""

    def __init__(self, c: int, d: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c, d, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(d),
            nn.LeakyReLU(0.1),
            nn.Conv2d(d, d, 3, padding=1, groups=2),
            nn.BatchNorm2d(d),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(d, d // 2, 1),
            nn.ReLU(),
            nn.Conv2d(d // 2, d, 1),
            nn.Sigmoid(),
        )
        self.shortcut = nn.Conv2d(c, d, 1, stride=2)

    def forward(self, x):
        y = self.body(x)
        return nn.functional.relu6(y * self.gate(y) + self.shortcut(x))


class Net(nn.Module):
    """Normed pixels, a convolution, a block, and a dense layer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.randn(3, 1, 1))
        self.first = nn.Conv2d(3, 8, 7, stride=2, padding=3)
        self.max = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.block = Block(8, 16)
        self.average = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(64, 5)

    def forward(self, x):
        x = self.max(torch.tanh(self.first((x - self.mean) / 0.5)))
        x = self.average(self.block(x))
        return self.last(self.dropout(x.view(x.size(0), -1)))


@pytest.mark.parametrize("opset", [9, 13, 17])
def test_a_network_that_pytorch_exports(opset, opened, tmp_path):
    torch.manual_seed(0)
    net, path = Net(), tmp_path / "net.onnx"
    for _ in range(3):  # running statistics of their own
        net(torch.randn(8, 3, 29, 29))
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is the old one
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, 29, 29),),
            path,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
        )
    network = exchange.onnx.load(path, device=opened("threads"))
    x = numbers(7, 3, 29, 29)
    with torch.no_grad():
        expected = net(torch.tensor(x)).numpy()
    assert relative(network.predict(x), expected) <= TOLERANCE
    # The batch norms are PyTorch's own affair: it merges them with the convolutions.
    assert kinds(network) == [
        "scale", "scale", "conv", "activation", "max_pool",
        "conv", "activation", "conv",
        "global_average_pool", "reshape", "conv", "activation", "conv", "activation",
        "multiply", "conv", "add", "clip", "average_pool", "dense",
    ]  # fmt: skip
