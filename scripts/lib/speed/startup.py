"""What a new process waits for: `import engine`, and the first step of training.

`python -m scripts.lib.speed.startup [SPEC OPTIMIZER BATCH THREADS]`, the first two in
JSON; prints the seconds until then. It imports nothing else before the clock runs.
"""

import json
import sys
import time


def main() -> None:
    """Import the engine; with arguments also train one step."""
    begin = time.perf_counter()
    import engine

    if sys.argv[1:]:
        import numpy as np

        spec, optimizer, batch, threads = map(json.loads, sys.argv[1:])
        device = engine.open_device("opencl", threads=threads)
        network = engine.Network.from_spec(spec, device=device)
        trainer = engine.Trainer(network, optimizer, batch_size=batch)
        trainer.step(np.full((batch, *spec["input"]), 0.5), np.ones((batch, 1)))
    print(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
