# Needs:  augmented copies, labels, audited folds, a model; Keras (make .venv/compare); our
#         own trainings' metrics
# Makes:  results/runs/keras_peer/EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/{history.csv,
#         training.json,metrics.json,predictions.csv,beside.json},
#         results/tables/keras_peer.{csv,md,tex}
# Not part of `all`: Keras is an optional extra. A training takes all cores, so that
# nothing runs beside what it times; it uses one.


if STUDY.beside_keras:
    for folds in STUDY.fold_counts:

        rule:
            name:
                f"keras_peer_{folds}_folds"
            # Keras learns the folds, our engine once more beside it; scores Keras's.
            input:
                keras=needs_keras,
                labels=data_of("labels.csv"),
                augmented=augmented_of,
                folds=folds_of,
                audit=audit_of,
            output:
                history=of_all_folds("history.csv", folds, KERAS_RUN),
                training=of_all_folds("training.json", folds, KERAS_RUN),
                metrics=of_all_folds("metrics.json", folds, KERAS_RUN),
                predictions=of_all_folds("predictions.csv", folds, KERAS_RUN),
                beside=of_all_folds("beside.json", folds, KERAS_RUN),
            log:
                "logs/keras_peer/{experiment}/{variant}/{protocol}/seed{seed}.log",
            wildcard_constraints:
                protocol="|".join(STUDY.protocols_with(folds)),
            threads: all_cores
            resources:
                mem_mb=megabytes(3000),
                runtime=minutes(10, 30, 30, 480),
            params:
                code=code("keras_peer"),
                task=task_of("weights", "reported"),
                name=lambda wc: STUDY.model_of(wc.experiment, wc.variant),
                model=lambda wc: STUDY.part(
                    "models", STUDY.model_of(wc.experiment, wc.variant)
                ),
                device=STUDY.device,
                folder=run_of,
            message:
                "let Keras learn {wildcards.experiment} {wildcards.variant} under"
                " {wildcards.protocol}, seed {wildcards.seed}, our engine beside it"
            shell:
                "python -m scripts.keras_peer --labels {input.labels:q}"
                " --augmented {input.augmented:q} --folds {input.folds:q}"
                ' --model "$IGNETLAB_CONFIG"/models/{params.name}.yaml'
                " --experiment-json {params.task:q} --seed {wildcards.seed}"
                " --device {params.device:q} --threads 1"
                " --folder {params.folder:q} 2> >(tee {log:q} >&2)"

    rule keras_peer_table:
        """Put our scores and times beside Keras's, with intervals and differences."""
        input:
            metrics=keras_runs_of(STUDY.beside_keras, "metrics.json", RUN),
            history=keras_runs_of(STUDY.beside_keras, "history.csv", RUN),
            theirs=keras_runs_of(STUDY.beside_keras, "metrics.json", KERAS_RUN),
            training=keras_runs_of(STUDY.beside_keras, "training.json", KERAS_RUN),
            beside=keras_runs_of(STUDY.beside_keras, "beside.json", KERAS_RUN),
            folds=[
                f"{data_folder(STUDY.beside_keras)}/folds/{protocol}.json"
                for protocol in sorted(
                    {p for _, p in STUDY.keras_runs_of(STUDY.beside_keras)}
                )
            ],
            labels=f"{data_folder(STUDY.beside_keras)}/labels.csv",
            source=f"{data_folder(STUDY.beside_keras)}/source.json",
        output:
            csv="results/tables/keras_peer.csv",
            others=multiext("results/tables/keras_peer", ".md", ".tex"),
        log:
            "logs/tables/keras_peer.log",
        params:
            code=code("keras_peer_table"),
            experiment=described.experiment_json(STUDY, STUDY.beside_keras),
            runs=runs_above("metrics"),
            keras_runs=runs_above("theirs"),
            folds=lambda wc, input: above(input.folds[0], 1),
            stem=stem_of,
        message:
            "table of our engine beside Keras"
        shell:
            "python -m scripts.keras_peer_table --experiment-json {params.experiment:q}"
            " --runs {params.runs:q} --keras-runs {params.keras_runs:q}"
            " --folds {params.folds:q} --labels {input.labels:q}"
            " --source {input.source:q} --output-stem {params.stem:q} 2> {log:q}"

    rule keras_peer:
        input:
            rules.keras_peer_table.output,
            keras=needs_keras,
        localrule: True
