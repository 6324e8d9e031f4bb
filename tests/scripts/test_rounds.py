"""The benchmark's turns and rounds: on what machine a time is believed."""

from __future__ import annotations

from scripts.lib.speed import rounds


class Machine:
    """A meter whose launches are given; the last one repeats itself."""

    def __init__(self, *readings: float):
        self.readings = [r for r in readings for _ in range(9)]

    def gflops(self) -> float:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def gigabytes(self) -> float:
        return 10.0


QUIET = [100.0] * 15  # what a Watch reads at first


def test_rounds_beside_a_busy_machine_are_repeated():
    watch = rounds.Watch(Machine(*QUIET, 100, 50, 100, 100, 100))
    values = iter(range(100))
    turns = rounds.take_turns(watch, [lambda: next(values)], rounds=3)
    assert turns.values == [[1, 2, 3]]  # not 0: after it the machine was busy
    assert (turns.said, turns.peak, turns.bandwidth) == ("", 100.0, 10.0)


def test_a_machine_that_stays_busy_is_told_and_the_best_rounds_are_taken():
    watch = rounds.Watch(Machine(*QUIET, 60, 60, 80, 80, 70))
    values = iter(range(100))
    turns = rounds.take_turns(watch, [lambda: next(values)], rounds=2, most=5)
    assert turns.values == [[1, 2]]  # at 80, then at 70
    assert turns.said.startswith("0 of 5 rounds were quiet, 2 are needed; the lowest")
    assert "70% of the peak" in turns.said


def test_one_lucky_launch_is_no_peak():
    watch = rounds.Watch(Machine(*QUIET * 3))
    watch.meter.readings = [100.0] * 4 + [400.0] + [100.0] * 4
    assert watch.read() == 100.0
    assert watch.peak == 100.0


def test_sides_take_turns():
    order = []
    runs = [lambda name=name: order.append(name) or name for name in "abc"]
    turns = rounds.take_turns(rounds.Watch(Machine(100)), runs, rounds=2)
    assert "".join(order) == "abcabc"
    assert turns.values == [["a", "a"], ["b", "b"], ["c", "c"]]


def test_steps_for_a_turn_are_long_enough():
    steps = rounds.steps_for(lambda steps: 0.001 * steps)
    assert 250 <= steps <= 350


def test_what_the_first_steps_compile_does_not_count():
    seconds = iter([30.0, *(0.001 * n for n in (1, 10, 100))])
    counts = []

    def run(steps: int) -> float:
        counts.append(steps)
        return next(seconds, 0.001 * steps)

    assert rounds.steps_for(run) > 200
    assert counts[:2] == [2, 1]
