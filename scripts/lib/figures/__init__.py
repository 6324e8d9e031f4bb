"""The figures. Each says on its face what data, scale and seeds it shows."""

from scripts.lib.figures.confusion import confusion
from scripts.lib.figures.convolutions import convolutions
from scripts.lib.figures.depths import depths
from scripts.lib.figures.gradients import layer_gradients
from scripts.lib.figures.ladder import Curves, ladder_accuracy, ladder_curves
from scripts.lib.figures.leak import leak
from scripts.lib.figures.noise import noise
from scripts.lib.figures.profiles import Profile, profiles
from scripts.lib.figures.sheets import Told, augmentation, samples, spread
from scripts.lib.figures.speed import speed
from scripts.lib.figures.style import about, plt, save

__all__ = [
    "Curves",
    "Profile",
    "Told",
    "about",
    "augmentation",
    "confusion",
    "convolutions",
    "depths",
    "ladder_accuracy",
    "ladder_curves",
    "layer_gradients",
    "leak",
    "noise",
    "plt",
    "profiles",
    "samples",
    "save",
    "speed",
    "spread",
]
