"""Scores: of what was trained, of trivial baselines; intervals and tests."""
