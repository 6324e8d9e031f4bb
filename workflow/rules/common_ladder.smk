# What the rules of a ladder share. No rules here.

LADDER_RUN = RUN.replace("{experiment}", "{rung}").replace("{variant}", ladder.VARIANT)
LADDER_FOLD = f"{LADDER_RUN}/fold0"
RUNGS = [r for group in ladder.groups(STUDY) for r in ladder.trained(STUDY, group)]
LADDERS = "|".join(ladder.groups(STUDY)) or "none-is-chosen"
LADDER_FIGURES = ("curves", "accuracy", "confusion", "gradients")


def rung_data(name):
    """An input function: a file of the data set that the job's rung runs on."""
    return lambda wc: (
        f"results/data/{ladder.dataset_of(STUDY, wc.rung)}/{name.format(**wc)}"
    )


def ladder_splits():
    """The protocol of each data set that a ladder runs on."""
    groups = ladder.groups(STUDY)
    return {ladder_dataset(name): ladder.protocol_of(STUDY, name) for name in groups}


def near_duplicates_of(dataset):
    """The near-duplicates on both sides of a ladder's split, without the ending."""
    return f"results/data/{dataset}/near_duplicates/{ladder_splits()[dataset]}"


def ladder_data(name):
    """An input function: a file of the data set that a ladder's rungs run on."""
    return lambda wc: f"results/data/{ladder_dataset(wc.group)}/{name}"


def ladder_results(group):
    """Tables and figures of a ladder, and the near-duplicates of its test images."""
    tables = [group, f"{group}_pairs"]
    figures = [f"{group}-{name}" for name in LADDER_FIGURES]
    figures.append(f"{ladder_dataset(group)}-near-duplicates")
    return [
        *(f"results/tables/{name}.csv" for name in tables),
        *(f"results/figures/{name}.png" for name in figures),
    ]


def ladder_dataset(group):
    """The data set that all rungs of a ladder run on."""
    return ladder.dataset_of(STUDY, ladder.rungs(STUDY, group)[0])


def ladder_files(group, name):
    """The file `name` of every training of a ladder."""
    return [
        f"{LADDER_FOLD}/{name}".format(
            rung=rung, seed=seed, protocol=ladder.protocol_of(STUDY, group)
        )
        for rung in ladder.trained(STUDY, group)
        for seed in STUDY.seeds
    ]
