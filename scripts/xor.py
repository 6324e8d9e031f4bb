"""Step `xor`: S2's XOR net, with the engine's own layers in float64.

Source: S2 Fig. 3 and Appendix B: 2-4-1, no biases, ReLU, linear output, loss
½ Σ (y − ŷ)² over the batch of 4, rate 0.002, 2001 steps, weights from NumPy's
RandomState(2).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import engine
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv
from scripts.lib.io.schema import read_yaml

RATE, STEPS, EVERY = 0.002, 2001, 100
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
T = np.array([[0], [1], [1], [0]], float)
TABLE_COLUMNS = ("step", "loss", "y00", "y01", "y10", "y11")
WEIGHT_COLUMNS = ("parameter", "row", "column", "value")


def learn_xor(model: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Return the printed rows and the final weights, (inputs, outputs) as in S2."""
    spec = read_yaml(model, str(model))
    network = engine.Network.from_spec(spec, device="reference")
    # S2 draws with NumPy's old generator; only so are the digits the document's.
    draw = np.random.RandomState(2)
    hidden, out = draw.randn(2, 4), draw.randn(4, 1)
    network.set_parameters({"dense1.weight": hidden.T, "dense2.weight": out.T})
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": RATE}}, batch_size=4)
    rows = []
    for step in range(STEPS):
        outputs = network.predict(X)[:, 0] if step % EVERY == 0 else None
        loss = trainer.step(X, T)
        if outputs is not None:
            digits = [f"{abs(v) if v == 0 else v:.4f}" for v in outputs.tolist()]
            values = [step, f"{loss:.5f}", *digits]
            rows.append(dict(zip(TABLE_COLUMNS, values, strict=True)))
    weights = network.parameters()
    return rows, {
        "h_weights": weights["dense1.weight"].T,
        "y_weights": weights["dense2.weight"].T,
    }


def make_xor(model: Path, table: Path, weights: Path) -> None:
    """Write xor.csv (and .md, .tex beside it) and xor_weights.csv."""
    rows, final = learn_xor(model)
    write_csv(
        weights,
        WEIGHT_COLUMNS,
        [
            {"parameter": name, "row": i, "column": j, "value": f"{value:.8f}"}
            for name, array in final.items()
            for (i, j), value in np.ndenumerate(array)
        ],
    )
    note = (
        "S2 Fig. 3 with the engine's layers (device reference, float64): loss and the "
        "outputs for (0,0), (0,1), (1,0), (1,1) before the step's update."
    )
    tables.write_texts(table, "XOR (S2 Fig. 3)", TABLE_COLUMNS, rows, [note])
    write_csv(table, TABLE_COLUMNS, rows)


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="its YAML file")
    parser.add_argument("--table", type=Path, required=True, help="written, .csv")
    parser.add_argument("--weights", type=Path, required=True, help="written, .csv")
    args = parser.parse_args()
    make_xor(args.model, args.table, args.weights)


if __name__ == "__main__":
    cli.run(main)
