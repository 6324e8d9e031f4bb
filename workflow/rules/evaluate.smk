# Needs:  the trained networks of all folds
# Makes:  results/runs/.../foldJ/{metrics.json,predictions.csv}


for folds in STUDY.fold_counts:

    rule:
        name:
            f"evaluate_{folds}_folds"
        # Scores the trained networks; the only rule that reads the test part.
        input:
            labels=data_of("labels.csv"),
            augmented=augmented_of,
            folds=folds_of,
            networks=of_all_folds("model.npz", folds),
        output:
            metrics=of_all_folds("metrics.json", folds),
            predictions=of_all_folds("predictions.csv", folds),
        log:
            "logs/evaluate/{experiment}/{variant}/{protocol}/seed{seed}.log",
        wildcard_constraints:
            protocol="|".join(STUDY.protocols_with(folds)),
        threads: 1
        resources:
            **GPU,
            mem_mb=megabytes(3000),  # 1920 at `demo`: 256 drawings at a time
            runtime=minutes(5, 10, 10, 30),
        params:
            code=code("evaluate"),
            task=task_of("reported"),
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
            " --folder {params.folder:q} 2> {log:q}"
