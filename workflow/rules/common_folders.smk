# Where a job finds folders: read off its files, for with a storage plug-in (S3) these are
# not below results/ but in Snakemake's copy of them. No rules here.

# Files are sent to a storage, and lie on no disk that the whole run sees.
STORED = workflow.storage_settings.default_storage_provider is not None
# What the user is told that files are below; their paths are added.
PLACE = f"{workflow.storage_settings.default_storage_prefix}/" if STORED else ""


def own_folder(dataset):
    """The user's folder that a data set lies in; None if it is drawn or downloaded."""
    return None if dataset in STUDY.downloaded else STUDY.folders[dataset]


def at_hand(dataset, files):
    """Mark the files of a data set that are read where they lie, in a user's folder."""
    return local(files) if STORED and own_folder(dataset) else files


def above(file, levels):
    """The folder so many levels above a file."""
    return str(Path(file).parents[levels - 1])


def stem_of(wildcards, output):
    """A params function: the first output without .csv."""
    return str(output[0]).removesuffix(".csv")


def run_of(wildcards, output):
    """A params function: the folder of a training, above folds; checkpoints lie there.

    Snakemake deletes the outputs if a job fails, and leaves what is beside them.
    """
    return above(output[0], 2)


def runs_above(name):
    """A params function: results/runs, above the files of trainings that are read."""
    # .../EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/name
    return lambda wc, input: above(getattr(input, name)[0], 6)


def raw_of_stored(wildcards, output):
    """A params function: a data set's drawings, at hand or beside the first output."""
    folder = own_folder(wildcards.dataset)
    return str(folder) if folder else f"{above(output[0], 1)}/raw"


# Snakemake leaves params that are made of outputs out of what it compares; without a
# storage another data_dir must be noticed.
raw_of = raw_of_stored if STORED else folder_of


def unpacked_in(dataset):
    """A params function: the folder that an archive's files are unpacked in."""
    first = datasets.archive_files(STUDY.datasets[dataset])[0]
    return lambda wc, output: above(output[0], 1 + first.count("/"))


def archive_of(dataset):
    """A params function: where the archive is kept, beside that folder."""
    kept = datasets.archive_path(dataset, STUDY.datasets[dataset])
    kept = kept.relative_to(datasets.raw_folder(dataset).parent)
    folder = unpacked_in(dataset)
    return lambda wc, output: f"{above(folder(wc, output), 1)}/{kept}"
