"""SqueezeNet with its published weights, on photos of dogs from ImageNet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

import engine
from engine.exchange import keras

MODEL = Path(__file__).parents[2] / "config" / "models" / "squeezenet.yaml"
MEAN = np.array([103.939, 116.779, 123.68], np.float32)  # blue, green, red
SIDE = 227
# ImageNet's classes stand in the order of their ids: 151 ... 268 are breeds of dogs
# (two of them have no photo here), 273 ... 275 are wild dogs.
BREEDS_WITHOUT_A_PHOTO = {"n02088466": "bloodhound", "n02110341": "dalmatian"}
WILD = {"n02115641": 273, "n02115913": 274, "n02116738": 275}


def classes_of(files: list[Path]) -> np.ndarray:
    """Return ImageNet's class of each photo `ID-name.jpg`."""
    ids = [file.name.partition("-")[0] for file in files]
    breeds = sorted({*ids, *BREEDS_WITHOUT_A_PHOTO} - set(WILD))
    assert len(breeds) == 118
    numbers = {breed: 151 + i for i, breed in enumerate(breeds)} | WILD
    return np.array([numbers[i] for i in ids])


def middle(file: Path) -> np.ndarray:
    """Return (3, 227, 227): the photo's middle, its proportions kept, less the mean."""
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    top, left = ((size - SIDE) // 2 for size in image.shape[:2])
    cut = image[top : top + SIDE, left : left + SIDE].astype(np.float32)
    return (cut - MEAN).transpose(2, 0, 1)


def squeezenet(device, weights: Path) -> engine.Network:
    spec = yaml.safe_load(MODEL.read_text("utf-8"))
    net = engine.Network.from_spec(spec, device=device)
    convolutions = [layer.name for layer in net.layers if layer.kind == "conv"]
    assert len(convolutions) == 26
    names = {name: name.replace("-", "/") for name in convolutions}
    keras.load_weights(net, weights / "squeezenet-v1.1-imagenet.npz", names)
    return net


@pytest.mark.slow
def test_119_dogs_among_1000_classes(real_data, opened):
    weights = real_data("weights")
    files = sorted(real_data("imagenet-dog-samples").glob("*.jpg"))
    assert len(files) == 119
    x, t = np.stack([middle(file) for file in files]), classes_of(files)

    logits = squeezenet(opened("opencl"), weights).predict(x, batch_size=17)
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    top1, top5 = np.mean(ranked[:, 0] == t), np.mean(ranked == t[:, None]) * 5
    assert top1 >= 0.65 and top5 >= 0.85  # measured: 86 and 106 of 119

    few = slice(0, 119, 17)
    on_threads = squeezenet(opened("threads"), weights).predict(x[few])
    assert (on_threads.argmax(axis=1) == ranked[few, 0]).all()
    np.testing.assert_allclose(on_threads, logits[few], rtol=1e-3, atol=1e-3)
