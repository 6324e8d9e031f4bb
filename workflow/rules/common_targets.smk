# What is made when it is asked for: results of experiments, of the whole, and what is said
# at the end. No rules here.


def results_of(experiment):
    """Tables and figures of one experiment."""
    if experiment == "xor":
        return ["results/tables/xor.csv", "results/tables/xor_weights.csv"]
    if STUDY.experiments[experiment]["kind"] == "ladder":
        return ladder_results(STUDY.experiments[experiment]["group"])
    if experiment in convolutions.experiments_of(STUDY):
        return convolutions.files_of(experiment)
    return [
        f"results/tables/{experiment}.csv",
        *showing.files_of(STUDY, experiment),
        *diagnostics_of(experiment),
    ]


def made_by(experiments):
    """Tables and figures of some experiments, each once."""
    return list(dict.fromkeys(f for name in experiments for f in results_of(name)))


def target_results(experiments):
    """Tables and figures of a named target, and the claims that they alone decide."""
    files = made_by(experiments)
    decided = [
        name
        for name in STUDY.configs.claims
        if claims_tables(name) and set(claims_tables(name)) <= set(files)
    ]
    files += [f"results/tables/claims_{name}.csv" for name in decided]
    return list(dict.fromkeys(files))


def all_results():
    """Tables and figures of all experiments that are chosen, but for those apart."""
    files = made_by(STUDY.whole)
    files += leak_results() + question_results() + [str(SUMMARY)]
    # Overnight one wants to know how long it will take.
    return files + (["results/estimate.csv"] if STUDY.scale == "paper" else [])


def leak_results():
    """What the leak is worth, and what the audit of it found."""
    if not STUDY.trained:
        return []
    names = sorted({STUDY.dataset_of(name) for name in STUDY.trained})
    sheets = [f"results/figures/{name}-duplicates.png" for name in names]
    bars = ["results/figures/leak.png"] if showing.having(STUDY, "leak") else []
    return [*bars, "results/tables/leak_audit.csv", *sheets]


def question_results():
    """What is asked of several experiments at once: comparisons, and claims."""
    return [*comparison_tables(), *register_tables()]


def register_tables():
    """The claims of all documents that a table of the whole can decide."""
    whole = {*made_by(STUDY.whole), *leak_results(), *comparison_tables()}
    documents = [n for n in STUDY.configs.claims if whole & set(claims_tables(n))]
    return [f"results/tables/claims_{name}.csv" for name in documents]


def comparison_tables():
    """The comparisons that name an experiment which is trained."""
    names = [
        name for name in STUDY.configs.comparisons if questions.compared(STUDY, name)
    ]
    return [f"results/tables/comparisons_{name}.csv" for name in names]


def claims_tables(document):
    """The tables of this run that claims are decided by."""
    made = {*made_by(STUDY.experiments), *leak_results(), *comparison_tables()}
    named = questions.tables_of(STUDY.configs.claims[document])
    files = [f"results/tables/{name}.csv" for name in named]
    return [file for file in files if file in made]


def claims_sources(document):
    """Where the data come from of the experiments that claims are decided by."""
    files = set(claims_tables(document))
    return sources_of([n for n in STUDY.choices if files & set(results_of(n))])


def outside_tables(document):
    """Tables of other runs that claims are decided by, if they are there.

    No inputs: what makes them may take half an hour, and must not run for this. In a
    storage they are not looked for.
    """
    if STORED:
        return []
    named = STUDY.configs.claims[document].get("outside", ())
    files = [f"results/tables/{name}.csv" for name in named]
    return [file for file in files if Path(file).exists()]


def compared_files(wildcards):
    """The scores of all models that a comparison may name, and the folds they share."""
    asked = STUDY.configs.comparisons[wildcards.comparison]
    names = questions.compared(STUDY, wildcards.comparison)
    runs = [
        (name, variant, protocol)
        for name in names
        for variant, protocol in STUDY.runs_of(name)
        if protocol in questions.honest_protocols(STUDY, name)
    ]
    dealt = {(STUDY.dataset_of(name), protocol) for name, _, protocol in runs}
    return {
        "metrics": [
            path.format(experiment=name, variant=variant, protocol=protocol, seed=seed)
            for name, variant, protocol in runs
            for seed in STUDY.seeds
            for path in of_all_folds("metrics.json", STUDY.folds_of(protocol))
        ],
        "baselines": sorted(
            {
                STUDY.baselines_of(*run)
                for run in runs
                if questions.measured_by_baselines(asked, run[0])
            }
        ),
        "folds": [f"results/data/{d}/folds/{p}.json" for d, p in sorted(dealt)],
        "labels": [
            f"results/data/{d}/labels.csv" for d in sorted({d for d, _ in dealt})
        ],
        "sources": sources_of(names),
    }


def note_what_is_out_of_date():
    """Mark what was to be made anew of files that a failed job has left no more.

    Of a failed job Snakemake deletes the outputs, and notes its params and inputs as if
    it had ended well. What was made of these outputs before is still there: the next
    call would say that there is nothing to be done. Marked as incomplete it is made anew.
    """
    for job in workflow.dag.needrun_jobs():
        if not all(workflow.async_run(file.exists()) for file in job.input):
            workflow.persistence.started(job)


def device_line():
    """What computes, if the user leaves the choice to the engine, and why not another."""
    if STUDY.device != "auto":
        return f"Device: {STUDY.device}."
    from engine.devices import choice  # slow, and not needed to plan

    return f"Device: {choice()[1]}."


def opening_lines():
    """What the user reads at the start of a run."""
    generated = [n for n, c in STUDY.choices.items() if c.stands_in_for]
    real = {d for name in generated for d in STUDY.experiments[name]["datasets"]}
    return [
        device_line(),
        *(
            f"Note: results/data/{name} was made before; this run takes generated data"
            " in its place, for data_dir is not set."
            for name in sorted(real & set(USED))
        ),
    ]


def closing_lines():
    """What the user reads at the end of a run that went well."""
    made = {str(file) for job in workflow.dag.jobs for file in job.output}
    found = [
        f"  {what:8s} {PLACE}{path}"
        for what, path in (
            ("tables", "results/tables/"),
            ("figures", "results/figures/"),
            ("report", "results/report/report.html"),
        )
        if any(path in file for file in made)
    ]
    notes = [
        note
        for dataset, note in STUDY.remarks.items()
        if any(file.endswith(f"results/data/{dataset}/source.json") for file in made)
    ]
    return ["", "Done.", *found, *notes]
