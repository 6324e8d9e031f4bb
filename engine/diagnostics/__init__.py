"""Looking at a network from outside: are its gradients right?"""

from engine.diagnostics.gradient_check import gradient_check

__all__ = ["gradient_check"]
