# Needs:  augmented copies, labels, folds, models, and what to look into
# Makes:  the tables and figures that a file of the kind `diagnostics` names, and
#         results/diagnostics/VARIANT.txt

for name in diagnostics.all_of(STUDY):
    for part in diagnostics.PARTS:
        table, *figures = diagnostics.files_of(STUDY, name, part)
        texts = (
            diagnostics.variants_of(STUDY, name, part) if part == "derivatives" else []
        )

        rule:
            name:
                f"{name}_{part}".replace("-", "_")
            input:
                **INPUTS.diagnosed(name, part),
            output:
                table=report(
                    table,
                    caption="../report/diagnostics.rst",
                    category="Diagnostics",
                    labels={"what": "table", "part": part},
                ),
                others=multiext(table.removesuffix(".csv"), ".md", ".tex"),
                texts=[f"results/diagnostics/{variant}.txt" for variant in texts],
            log:
                f"logs/diagnostics/{name}/{part}.log",
            # What is timed has nothing beside it; it uses one.
            threads: PARAMS.all_cores if part == "freezeconnect" else 1
            resources:
                **GPU,
                mem_mb=megabytes(1500),  # 900 at `demo`
                runtime=PARAMS.minutes(5, 10, 10, 120),
            params:
                code=code("diagnostics"),
                part=part,
                asked=diagnostics.asked(STUDY, name, part),
                texts=lambda wc, output: (
                    f"--texts {above(output.texts[0], 1)}" if output.texts else ""
                ),
                models=diagnostics.models_digest(STUDY, name, part),
                device=STUDY.device,
            message:
                f"look into {name}: {part}"
            shell:
                "python -m scripts.diagnostics {params.part} --asked-json {params.asked:q}"
                " --augmented {input.augmented:q} --labels {input.labels:q}"
                " --folds {input.folds:q} --source {input.source:q}"
                ' --models "$IGNETLAB_CONFIG"/models --device {params.device:q}'
                " --threads 1 --output {output.table:q} {params.texts}"
                " 2> >(tee {log:q} >&2)"

        for figure in figures:

            rule:
                name:
                    f"{name}_{part}_figure".replace("-", "_")
                input:
                    table,
                output:
                    report(
                        figure,
                        caption="../report/diagnostics.rst",
                        category="Diagnostics",
                        labels={"what": "figure", "part": part},
                    ),
                log:
                    f"logs/diagnostics/{name}/{part}_figure.log",
                group:
                    PARAMS.group("tables")
                params:
                    code=code("diagnostics_figures"),
                    part=part,
                message:
                    f"draw {name}: {part}"
                shell:
                    "python -m scripts.diagnostics_figures {params.part}"
                    " --table {input:q} --output {output:q} 2> {log:q}"
