"""Changed copies of images, each a function of (seed, name, copy number) alone.

Import the modules: `from engine.augment import pipeline`. Uses OpenCV, no device.
"""
