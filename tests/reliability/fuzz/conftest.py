"""What the fuzzing has done, told at the end."""

from tests.reliability.fuzz import harness


def pytest_terminal_summary(terminalreporter):
    """Print how many cases of each kind were made, refused, and how long it took."""
    if not harness.done:
        return
    terminalreporter.section(f"fuzzing, seed {harness.SEED}")
    rows = [(kind, *found) for kind, found in harness.done.items()]
    rows.append(("all", *map(sum, zip(*harness.done.values(), strict=True))))
    for kind, cases, refused, seconds in rows:
        terminalreporter.write_line(
            f"{kind:<16} {cases:>7} cases {refused:>7} refused {seconds:>7.1f} s"
        )
