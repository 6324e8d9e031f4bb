"""Looking at a network from outside: are its gradients right, will it learn?"""

from engine.diagnostics.bounds import Bounds, bounds
from engine.diagnostics.gradient_check import gradient_check
from engine.diagnostics.mav import mav
from engine.diagnostics.overfit import Overfit, overfit
from engine.diagnostics.table import BAND, Advice, Row, Table
from engine.diagnostics.tune import Tuning, tune

__all__ = [
    "BAND",
    "Advice",
    "Bounds",
    "Overfit",
    "Row",
    "Table",
    "Tuning",
    "bounds",
    "gradient_check",
    "mav",
    "overfit",
    "tune",
]
