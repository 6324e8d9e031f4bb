"""Keras beside our engine."""
