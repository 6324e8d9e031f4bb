"""Step `diagnostics`: derivatives, tuned ranges, the W² experiment, freezeconnect."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.diagnostics import derivatives, freezeconnect, tuning, w2
from scripts.lib.diagnostics.cases import Case, Files
from scripts.lib.diagnostics.writing import about, data_notes, write
from scripts.lib.io import cli
from scripts.lib.io.files import read_json, write_text
from scripts.lib.train import devices

_BAND = "Verdict of a der_w MAV, S0 5.4.2: below 0.01 slow, to 0.1 good, above it may "
_BAND += "explode."


class Task:
    """What one call is asked to do, and with what."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.asked = args, json.loads(args.asked_json)
        self.settings: dict[str, Any] = self.asked["settings"]
        self.source = read_json(args.source)
        self.device = devices.open_device(args.device, args.threads)
        folds = {Path(path).stem: path for path in args.folds}
        self.files = Files(args.augmented, args.labels, folds, args.models)
        self.seeds = self.settings.get("seeds", self.asked["seeds"])
        self.told = about(self.asked, self.source, self.device, self.seeds)
        self.notes = data_notes(self.asked, self.source, self.told)

    def case(self, entry: Mapping[str, Any], protocol: str) -> Case:
        return Case(entry, protocol, self.files, self.device)


def make_derivatives(task: Task) -> None:
    """Write the table of Fig. 4 over the passes, and its text."""
    settings, rows = task.settings, []
    for entry in task.asked["variants"]:
        case = task.case(entry, settings["protocol"])
        for seed in task.seeds:
            found, text = derivatives.follow(
                case, seed, passes=settings["passes"], batches=settings["batches"]
            )
            rows += [row | {"protocol": case.protocol} for row in found]
            if seed == task.seeds[0]:
                head = [f"{case.id}, protocol {case.protocol}, seed {seed}, fold 0"]
                page = "\n".join([*head, *task.notes, "", "", text])
                write_text(task.args.texts / f"{case.id}.txt", page)
        say(f"derivatives of {case.id}")
    last = settings["passes"]
    notes = [
        *task.notes,
        f"MAV (mean absolute values) before the first step and after pass {last} on "
        f"fold 0 of the protocol {settings['protocol']}, of the first batch of the "
        f"first pass; low, high: over the first {settings['batches']} batches; "
        "to_start: over the value at the start. The passes between stand in the CSV.",
        "der_w: of the terms of Eqs. (1), (1a), as the figure has it; gradient: of "
        "their sums. W: the range of Eq. (3). der_w_max = max |In| max |dLoss/db| "
        "beside its bound by Eqs. (5), (5a) as printed, and with the factors for the "
        "number of maps; in_max, of |In|, beside Eq. (4) likewise.",
        _BAND,
        *derivatives.judged(rows, last),
    ]
    ends = [row for row in rows if row["pass"] in (0, last)]
    _write(task, "IgNet's derivatives", derivatives, rows, notes, ends)


def make_tuning(task: Task) -> None:
    """Write W^n before and after the restarts to the band, and both learnings."""
    settings, rows = task.settings, []
    for entry in task.asked["variants"]:
        case = task.case(entry, settings["protocol"])
        for seed in task.seeds:
            found = tuning.restart(
                case,
                seed,
                restarts=settings["restarts"],
                passes=settings["passes"],
                rate_factors=settings["rate_factors"],
            )
            about_it = {"protocol": case.protocol, "passes": settings["passes"]}
            rows += [row | about_it for row in found]
        say(f"tuned {case.id}")
    notes = [
        *task.notes,
        f"At most {settings['restarts']} restarts; der_w of the first batch. score: "
        f"the best on the validation part of fold 0, protocol {settings['protocol']}, "
        f"in {settings['passes']} passes, with the ranges of the model's file and with "
        "the tuned ones, each at the best of the rates "
        f"{', '.join(map(str, settings['rate_factors']))} times the recipe's, which "
        "stands beside; empty where all diverged. mape and accuracy in %.",
        _BAND,
        *tuning.judged(rows),
    ]
    _write(task, "IgNet: restarts to the band", tuning, rows, notes)


def make_w2(task: Task) -> None:
    """Write the experiment of Figs. 4a and 4b."""
    settings = task.settings
    (entry,) = task.asked["variants"]
    case = task.case(entry, settings["protocol"])
    rows = [r | {"protocol": case.protocol} for r in w2.compare(case, settings)]
    last = settings["passes"]
    ranges = ", ".join(f"{k} = {v}" for k, v in settings["ranges"].items())
    notes = [
        *task.notes,
        f"Side a: {ranges}; side b: {settings['factor']} times "
        f"{settings['raised']}. Means over {len(settings['seeds'])} seeds (n: those "
        "that have not diverged), sd with n - 1. der_w, in_map, weights, der_b: of "
        "layer 1, _2 of layer 2, of the first batch; ratio: of der_w to side a. "
        "Published: S0 Figs. 4a, 4b.",
        "best_mape: the lowest validation MAPE up to there; better: in how many seeds "
        "that of side b is the lower one.",
        f"MAPE in %, on the training and the validation part of fold 0 of the protocol "
        f"{settings['protocol']}, pass 0: before the first step. cpu_seconds: of "
        f"training and validation up to there, {task.args.threads} thread(s).",
        *w2.judged(rows, settings),
    ]
    ends = [row for row in rows if row["pass"] in (0, 1, last)]
    _write(task, "IgNet: the second layer's range times ten", w2, rows, notes, ends)


def make_freezeconnect(task: Task) -> None:
    """Write what a step, and the learning, take with a portion left out."""
    settings, rows = task.settings, []
    learned = freezeconnect.ways_of(settings["learned"])
    timed = list(dict.fromkeys([*freezeconnect.ways_of(settings["timed"]), *learned]))
    for entry in task.asked["variants"]:
        times = None
        for protocol in settings["protocols"]:
            case = task.case(entry, protocol)
            times = times or freezeconnect.seconds_a_step(
                case, timed, rounds=settings["rounds"], steps=settings["steps"]
            )
            runs = {
                way: [
                    freezeconnect.learn(
                        case,
                        way,
                        seed,
                        fold,
                        passes=settings["passes"],
                        most=settings["passes"]
                        * (settings["longest"] if way[1] else 1),
                    )
                    for seed in task.seeds
                    for fold in range(settings["folds"])
                ]
                for way in learned
            }
            tolerance = settings["tolerance"][case.metric]
            rows += [
                freezeconnect.row_of(case, way, times, runs, tolerance)
                | {"passes": settings["passes"]}
                for way in timed
            ]
        say(f"freezeconnect of {entry['id']}")
    freezeconnect.beside_the_shallow(rows, settings["shallow"])
    order = settings["protocols"].index
    rows.sort(key=lambda r: (r["score_metric"], order(r["protocol"]), r["depth"]))
    # What is the same under each protocol is shown once.
    first = settings["protocols"][0]
    short = [row for row in rows if "n" in row or row["protocol"] == first]
    notes = _freezeconnect_notes(task, rows)
    _write(task, "Freezeconnect", freezeconnect, rows, notes, short)


def _freezeconnect_notes(task: Task, rows: list[dict[str, Any]]) -> list[str]:
    settings = task.settings
    points = " and ".join(f"{v} ({k})" for k, v in settings["tolerance"].items())
    return [
        *task.notes,
        f"step_ms: a training step of one batch, the median of {settings['rounds']} "
        f"rounds of {settings['steps']} steps in turns in one process, by the clock "
        f"{rows[0]['clock']}, {task.args.threads} thread(s); step_ratio: to portion 0 "
        "of the same round, median, low and high: the rounds' range. saves_step: yes "
        "if it is below 1 in all rounds.",
        f"score: of the part named, at the best pass of {settings['passes']} by the "
        "validation part, empty where it diverged; n: the first "
        f"{settings['folds']} fold(s) x seeds, weights drawn anew for each. "
        "passes_to_score: to the best validation score of portion "
        f"0, less {points} points, in at most {settings['longest']} times the passes; "
        "compared: in how many of n portion 0 gave such a score, reached: in how many "
        "of these it came there; seconds_to_score = "
        "passes x steps of a pass x step_ms; time_ratio: to portion 0, same fold and "
        "seed (means of those that reached it). saves_time: yes if below 1 in all "
        "compared.",
        "to_shallow: seconds_to_score over the median of the networks of at most "
        f"{settings['shallow']} layers with nothing left out. mape, accuracy in %.",
        'S0 5.5.1: freezeconnect "has made the deepest networks almost as quick to '
        'teach as the shallower ones".',
        *freezeconnect.judged(rows, settings["shallow"], settings["almost"]),
    ]


def _write(task: Task, title: str, module, rows, notes, keep=None) -> None:
    write(
        task.args.output,
        title,
        module.COLUMNS,
        module.SHOWN,
        rows,
        task.told,
        notes,
        keep,
    )


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"[diagnostics] {what}", file=sys.stderr, flush=True)


MAKERS = {
    "derivatives": make_derivatives,
    "tuning": make_tuning,
    "w2": make_w2,
    "freezeconnect": make_freezeconnect,
}


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=MAKERS)
    parser.add_argument("--asked-json", required=True, help="what to do, JSON")
    parser.add_argument("--augmented", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, nargs="+", required=True)
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--models", type=Path, required=True, help="config/models")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    parser.add_argument("--texts", type=Path, help="folder of the texts, written")
    args = parser.parse_args()
    MAKERS[args.part](Task(args))


if __name__ == "__main__":
    cli.run(main)
