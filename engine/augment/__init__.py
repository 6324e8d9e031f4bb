"""Changed copies of images, each a function of (seed, name, copy number) alone.

For files (`pipeline.augment`) or batches (`pipeline.augment_batch`, `mixup.mixup`).

Import the modules: `from engine.augment import pipeline`. Uses OpenCV, no device.
"""
