"""S2's Fig. 3 to every printed digit."""

import csv

import numpy as np

from scripts import xor
from tests.conftest import ROOT

PRINTED = """
0 4.47936 0.0000 0.2773 3.7598 0.9054
100 0.54947 0.0000 0.3644 1.8336 0.0000
200 0.21144 0.0000 0.4612 1.3640 0.0000
300 0.11149 0.0000 0.5610 1.1738 0.0000
400 0.06285 0.0000 0.6561 1.0860 0.0000
500 0.03471 0.0000 0.7401 1.0432 0.0000
600 0.01837 0.0000 0.8096 1.0219 0.0000
700 0.00932 0.0000 0.8639 1.0111 0.0000
800 0.00457 0.0000 0.9046 1.0057 0.0000
900 0.00218 0.0000 0.9340 1.0029 0.0000
1000 0.00102 0.0000 0.9548 1.0015 0.0000
1100 0.00047 0.0000 0.9693 1.0008 0.0000
1200 0.00022 0.0000 0.9792 1.0004 0.0000
1300 0.00010 0.0000 0.9860 1.0002 0.0000
1400 0.00004 0.0000 0.9906 1.0001 0.0000
1500 0.00002 0.0000 0.9937 1.0001 0.0000
1600 0.00001 0.0000 0.9957 1.0000 0.0000
1700 0.00000 0.0000 0.9971 1.0000 0.0000
1800 0.00000 0.0000 0.9981 1.0000 0.0000
1900 0.00000 0.0000 0.9987 1.0000 0.0000
2000 0.00000 0.0000 0.9991 1.0000 0.0000
"""
WEIGHTS = {  # as printed: eight significant decimals, trailing zeros dropped
    "h_weights": """-0.41675785 -0.05626683 -2.1361961 0.57535004
                    -1.79343559 -0.84174737 0.98685426 -1.29664876""",
    "y_weights": "-1.05795222 -0.90900761 1.0124547 1.7380754",
}


def test_table_and_weights_to_every_printed_digit(tmp_path):
    table, weights = tmp_path / "xor.csv", tmp_path / "xor_weights.csv"
    xor.make_xor(ROOT / "config/models/xor.yaml", table, weights)
    lines = table.read_text("utf-8").splitlines()
    assert lines[0] == "step,loss,y00,y01,y10,y11"
    printed = [line.split() for line in PRINTED.strip().splitlines()]
    assert [line.split(",") for line in lines[1:]] == printed
    rows = list(csv.DictReader(weights.read_text("utf-8").splitlines()))
    for name, text in WEIGHTS.items():
        ours = [float(row["value"]) for row in rows if row["parameter"] == name]
        np.testing.assert_array_equal(ours, [float(v) for v in text.split()])
    assert table.with_suffix(".md").exists()
    assert table.with_suffix(".tex").exists()
