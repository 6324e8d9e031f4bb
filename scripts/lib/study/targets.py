"""What is made when it is asked for: results of experiments, and of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scripts.lib.study import claims_plan, figures_plan, kinds
from scripts.lib.study.inputs import Inputs

SUMMARY = "results/report/summary.rst"


class Targets:
    """Tables and figures of experiments, of groups of them, and of all."""

    def __init__(self, inputs: Inputs):
        self.inputs, self.study = inputs, inputs.study

    def results_of(self, experiment: str) -> list[str]:
        """Return tables and figures of one experiment."""
        kind = kinds.of(self.study.experiments[experiment])
        return kind.results(self.study, experiment)

    def made_by(self, experiments: Iterable[str]) -> list[str]:
        """Return tables and figures of some experiments, each once."""
        return list(
            dict.fromkeys(f for name in experiments for f in self.results_of(name))
        )

    def of(self, experiments: Iterable[str]) -> list[str]:
        """Return what a named target makes, and the claims that it alone decides."""
        files = self.made_by(experiments)
        for name in self.study.configs.claims:
            tables = self.claims_tables(name)
            if tables and set(tables) <= set(files):
                files.append(f"results/tables/claims_{name}.csv")
        return files

    def all(self) -> list[str]:
        """Return the results of all experiments that are chosen, but those apart."""
        files = self.made_by(self.study.whole)
        files += [*self.leak(), *self.comparisons(), *self.claims(), SUMMARY]
        # Overnight one wants to know how long it will take.
        return files + (["results/estimate.csv"] if self.study.scale == "paper" else [])

    def leak(self) -> list[str]:
        """Return what the leak is worth, and what the audit of it found."""
        audited = self.inputs.audited()
        if not audited:
            return []
        names = sorted({self.study.dataset_of(name) for name in audited})
        sheets = [f"results/figures/{name}-duplicates.png" for name in names]
        bars = figures_plan.having(self.study, "leak")
        bars = ["results/figures/leak.png"] if bars else []
        return [*bars, "results/tables/leak_audit.csv", *sheets]

    def claims(self) -> list[str]:
        """Return the claims of all documents that a table of the whole can decide."""
        made = self.made_by(self.study.whole)
        whole = {*made, *self.leak(), *self.comparisons()}
        documents = self.study.configs.claims
        decided = [n for n in documents if whole & set(self.claims_tables(n))]
        return [f"results/tables/claims_{name}.csv" for name in decided]

    def comparisons(self) -> list[str]:
        """Return the comparisons that name an experiment which is trained."""
        names = self.study.configs.comparisons
        asked = [name for name in names if claims_plan.compared(self.study, name)]
        return [f"results/tables/comparisons_{name}.csv" for name in asked]

    def claims_tables(self, document: str) -> list[str]:
        """Return the tables of this run that claims are decided by."""
        experiments = self.made_by(self.study.experiments)
        made = {*experiments, *self.leak(), *self.comparisons()}
        named = claims_plan.tables_of(self.study.configs.claims[document])
        files = [f"results/tables/{name}.csv" for name in named]
        return [file for file in files if file in made]

    def claims_sources(self, document: str) -> list[str]:
        """Return where the data of those tables come from."""
        files = set(self.claims_tables(document))
        chosen = [n for n in self.study.choices if n in self.study.experiments]
        deciding = [n for n in chosen if files & set(self.results_of(n))]
        return self.inputs.sources(deciding)

    def outside_tables(self, document: str) -> list[str]:
        """Return tables of other runs that claims are decided by, if they are there.

        No inputs: what makes them may take half an hour, and must not run for this. In
        a storage they are not looked for.
        """
        if self.inputs.stored:
            return []
        named = self.study.configs.claims[document].get("outside", ())
        files = [f"results/tables/{name}.csv" for name in named]
        return [file for file in files if Path(file).exists()]

    def tables_of_kind(self, kind: str) -> list[str]:
        """Return the tables of experiments of a kind that belong to the whole."""
        names = [n for n in self.study.of_kind(kind) if n in self.study.whole]
        shown = dict.fromkeys(self.study.shown_in(name) for name in names)
        return [f"results/tables/{name}.csv" for name in shown]
