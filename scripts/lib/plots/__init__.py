"""The figures. Each says on its face what data, scale and seeds it shows."""

from scripts.lib.plots.confusion import confusion
from scripts.lib.plots.convolutions import convolutions
from scripts.lib.plots.depths import depths
from scripts.lib.plots.gradients import layer_gradients
from scripts.lib.plots.ladder import Curves, ladder_accuracy, ladder_curves
from scripts.lib.plots.leak import leak
from scripts.lib.plots.noise import noise
from scripts.lib.plots.profiles import Profile, profiles
from scripts.lib.plots.sheets import Told, augmentation, samples, spread
from scripts.lib.plots.speed import speed
from scripts.lib.plots.style import about, plt, save

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
