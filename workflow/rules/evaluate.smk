# Needs:  the trained networks of all folds
# Makes:  results/runs/.../foldJ/{metrics.json,predictions.csv}


for folds in STUDY.fold_counts:

    rule:
        name:
            f"evaluate_{folds}_folds"
        # Scores the trained networks; the only rule that reads the test part.
        input:
            labels=INPUTS.data("labels.csv"),
            augmented=INPUTS.learned,
            test=INPUTS.tested,
            folds=INPUTS.folds,
            networks=of_all_folds("model.npz", folds),
            last=of_all_folds("last.npz", folds),
            training=of_all_folds("training.json", folds),
        output:
            metrics=of_all_folds("metrics.json", folds),
            predictions=of_all_folds("predictions.csv", folds),
        log:
            "logs/evaluate/{experiment}/{variant}/{protocol}/seed{seed}.log",
        wildcard_constraints:
            protocol="|".join(STUDY.protocols_with(folds)),
        group:
            PARAMS.group_of_training
        threads: PARAMS.threads
        resources:
            **GPU,
            mem_mb=megabytes(3000),  # 1920 at `demo`: 256 drawings at a time
            runtime=PARAMS.minutes(5, 10, 20, 30),
        params:
            code=code("evaluate"),
            task=PARAMS.task("reported"),
            device=STUDY.device,
            folder=run_of,
        message:
            "score {wildcards.experiment} {wildcards.variant} under"
            " {wildcards.protocol}, seed {wildcards.seed}, all folds"
        shell:
            "python -m scripts.evaluate --augmented {input.augmented:q}"
            " --labels {input.labels:q} --folds {input.folds:q}"
            " --experiment-json {params.task:q} --seed {wildcards.seed}"
            " --device {params.device:q} --threads {threads}"
            " --test {input.test:q} --folder {params.folder:q} 2> {log:q}"
