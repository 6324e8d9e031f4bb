"""A training in a process of its own, to be killed: FOLDER [KILL_STEP [KILL_WRITE]].

Writes FOLDER/model.npz when it is done. KILL_STEP: SIGKILL in the middle of that step;
KILL_WRITE: SIGKILL when the n-th checkpoint is written to disk but not yet in place.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import engine
from tests.engine.test_training import SPEC, images, trainer_of


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, kill_step: int, kill_write: int) -> None:
    def schedule(step: int) -> float:
        if step == kill_step:
            die()
        return 1.0

    writes = []
    fsync = os.fsync

    def counted(handle: int) -> None:
        fsync(handle)
        writes.append(handle)
        if len(writes) == kill_write:
            die()

    os.fsync = counted
    trainer = trainer_of(
        SPEC,
        engine.open_device("threads", threads=2),
        batch_size=16,
        schedule=schedule,
        optimizer={"sgd": {"learning_rate": 0.05}},
    )
    x, t = images(60)
    trainer.fit(
        (x[:50], t[:50]),
        (x[50:], t[50:]),
        passes=5,
        tolerance=4,
        checkpoint=folder / "checkpoint.npz",
    )
    trainer.network.save(folder / "model.npz")


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[2:]]
    main(Path(sys.argv[1]), *[*numbers, -1, -1][:2])
