"""A small data set, made as the steps make it: 24 drawings by 12 children."""

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.augment import make_copies
from scripts.folds import make_folds
from scripts.lib.io.files import write_csv, write_npz
from tests.conftest import ROOT
from tests.scripts import diagnosed, downloading, loopback

CONFIG = ROOT / "config"


@pytest.fixture
def server():
    """A web server on loopback."""
    with loopback.serving(downloading.CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Where a test downloads to, without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "archive" / "file.bin"


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> SimpleNamespace:
    """Paths of labels, images, copies and folds of both protocols."""
    folder = tmp_path_factory.mktemp("small")
    rows, pictures = [], []
    rng = np.random.default_rng(0)
    for i in range(24):
        months = 60 + 12 * (i // 2 % 2)
        rows.append(
            {
                "sample": f"p1-{i}m-{months // 12}.0f",
                "file": f"{i}.jpeg",
                "group": f"p1-{i // 2}",
                "age_years": months // 12,
                "age_months": months,
            }
        )
        picture = rng.integers(200, 256, (58, 36))
        picture[: months - 40] -= 100  # age shows as a dark band
        pictures.append(picture.astype(np.uint8))
    data = SimpleNamespace(folder=folder, rows=rows)
    data.labels = folder / "labels.csv"
    data.images = folder / "images.npz"
    data.augmented = folder / "ignet.npz"
    write_csv(data.labels, rows[0].keys(), rows)
    write_npz(
        data.images,
        images=np.array(pictures),
        ids=np.array([r["sample"] for r in rows]),
    )
    recipe = CONFIG / "augmentations/ignet.yaml"
    make_copies(data.images, data.labels, recipe, "smoke", 0, data.augmented)
    for protocol in ("paper", "by-child"):
        setattr(data, protocol.replace("-", "_"), deal(data, protocol, folder))
    return data


def deal(data, protocol, folder):
    """Make the folds of one protocol and return their path."""
    out = folder / f"{protocol}.json"
    make_folds(
        SimpleNamespace(
            labels=data.labels,
            images=data.images,
            protocol=CONFIG / f"protocols/{protocol}.yaml",
            augmentation=CONFIG / "augmentations/ignet.yaml",
            dataset=CONFIG / "datasets/stirling.yaml",
            scale="smoke",
            seed=0,
            output=out,
        )
    )
    return out


@pytest.fixture(scope="session")
def made(small, tmp_path_factory) -> SimpleNamespace:
    """What the step `diagnostics` makes of the small set: rows of its parts, folder."""
    return diagnosed.make_all(small, tmp_path_factory.mktemp("diagnostics"))
