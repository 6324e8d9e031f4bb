"""One thread inside a matrix product: the pool's workers are the threads.

BLAS libraries start threads of their own. Within a worker that would be threads times
threads, and how a library cuts a product depends on their number, and with it the last
bits. The limit is one number for the whole process, so it is set when the first device
opens and put back when the last one closes; it also holds for other users of NumPy in
between.

A library that threadpoolctl does not know (Apple's Accelerate) keeps its own ways.
"""

from __future__ import annotations

import threading

import threadpoolctl

_lock = threading.RLock()  # a collector's run inside `hold` may call `release`
_holders = 0
_limits: threadpoolctl.threadpool_limits | None = None


def hold() -> None:
    """Keep BLAS at one thread until as many `release` as `hold` were called."""
    global _holders, _limits
    with _lock:
        _holders += 1
        if _holders == 1:
            _limits = threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def release() -> None:
    """Undo one `hold`; the last one gives BLAS its threads back."""
    global _holders, _limits
    with _lock:
        _holders -= 1
        if _holders == 0 and _limits is not None:
            _limits.restore_original_limits()
            _limits = None
