"""What the user reads at the start and the end of a run."""

from __future__ import annotations

from typing import Any

from scripts.lib.study.study import Study

_PLACES = (
    ("tables", "results/tables/"),
    ("figures", "results/figures/"),
    ("report", "results/report/report.html"),
)


def device_line(study: Study) -> str:
    """Return what computes, and if that is the engine's choice, why not another."""
    if study.device != "auto":
        return f"Device: {study.device}."
    from engine.devices import choice  # slow, and not needed to plan

    return f"Device: {choice()[1]}."


def opening_lines(study: Study) -> list[str]:
    """Return what the user reads at the start of a run."""
    generated = [n for n, c in study.choices.items() if c.stands_in_for]
    real = {d for name in generated for d in study.learned[name]["datasets"]}
    return [
        device_line(study),
        *(
            f"Note: results/data/{name} was made before; this run takes generated data"
            " in its place, for data_dir is not set."
            for name in sorted(real & set(study.used))
        ),
    ]


def closing_lines(study: Study, workflow: Any, place: str) -> list[str]:
    """Return what was made, and which data were not the documents' own.

    place: what the user is told that files are below.
    """
    made = {str(file) for job in workflow.dag.jobs for file in job.output}
    found = [
        f"  {what:8s} {place}{path}"
        for what, path in _PLACES
        if any(path in file for file in made)
    ]
    notes = [
        note
        for dataset, note in study.remarks.items()
        if any(file.endswith(f"results/data/{dataset}/source.json") for file in made)
    ]
    return ["", "Done.", *found, *notes]


def note_what_is_out_of_date(workflow: Any) -> None:
    """Mark what was to be made anew of files that a failed job has left no more.

    Of a failed job Snakemake deletes the outputs, and notes its params and inputs as if
    it had ended well. What was made of these outputs before is still there: the next
    call would say that there is nothing to be done. Marked as incomplete it is made
    anew.
    """
    for job in workflow.dag.needrun_jobs():
        if not all(workflow.async_run(file.exists()) for file in job.input):
            workflow.persistence.started(job)
