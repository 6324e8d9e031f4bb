# Needs:  augmented copies, labels, audited folds, a model, and what to learn
# Makes:  results/runs/EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/{history.csv,training.json,model.npz}


# All folds in one job: a fold lasts seconds, and under some protocols begins with the
# weights of the one before. A rule's outputs are fixed, so there is a rule for each
# number of folds.
for folds in STUDY.fold_counts:

    rule:
        name:
            f"train_{folds}_folds"
        input:
            labels=INPUTS.data("labels.csv"),
            augmented=INPUTS.learned,
            folds=INPUTS.folds,
            # What leaks and must not is not trained. Not ancient(): where an audit is
            # to run again Snakemake would then forget what else the training needs.
            audit=INPUTS.audit,
        output:
            history=of_all_folds("history.csv", folds),
            training=of_all_folds("training.json", folds),
            model=of_all_folds("model.npz", folds),
            last=of_all_folds("last.npz", folds),
            records=of_all_folds("records.csv", folds),
        log:
            "logs/train/{experiment}/{variant}/{protocol}/seed{seed}.log",
        benchmark:
            "logs/benchmark/train/{experiment}/{variant}/{protocol}/seed{seed}.tsv"
        wildcard_constraints:
            protocol="|".join(STUDY.protocols_with(folds)),
        group:
            PARAMS.group_of_training
        threads: PARAMS.threads
        resources:
            **GPU,
            mem_mb=PARAMS.job("megabytes"),
            runtime=PARAMS.job("minutes"),
        params:
            code=code("train"),
            task=PARAMS.task("weights"),
            name=PARAMS.model_name,
            model=PARAMS.model,
            device=STUDY.device,
            folder=run_of,
        message:
            "train {wildcards.experiment} {wildcards.variant} under"
            " {wildcards.protocol}, seed {wildcards.seed}, all folds"
        shell:
            "python -m scripts.train --labels {input.labels:q}"
            " --augmented {input.augmented:q} --folds {input.folds:q}"
            ' --model "$IGNETLAB_CONFIG"/models/{params.name}.yaml'
            " --experiment-json {params.task:q} --seed {wildcards.seed}"
            " --device {params.device:q} --threads {threads}"
            " --folder {params.folder:q} 2> >(tee {log:q} >&2)"
