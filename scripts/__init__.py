"""The steps of the pipeline, one module each: `python -m scripts.STEP --help`."""
