# Needs:  all tables and figures, and how Snakemake made them
# Makes:  results/report/summary.rst, results/report/report.html, and the named targets


# The report's opening page (workflow/report/workflow.rst) shows the summary.
config["summary"] = Path(SUMMARY).read_text("utf-8") if Path(SUMMARY).exists() else ""


rule summary:
    """Say in plain words what was reproduced and what was not, from the tables alone."""
    input:
        tables=[f"results/tables/{name}.csv" for name in STUDY.of_kind("training")],
        xor=TARGETS.tables_of_kind("xor"),
        claims=TARGETS.claims(),
        ladders=TARGETS.tables_of_kind("ladder"),
    output:
        report(
            SUMMARY,
            caption="../report/summary.rst",
            category="Summary",
            labels={"experiment": "all"},
        ),
    log:
        "logs/report/summary.log",
    group:
        PARAMS.group("tables")
    params:
        code=code("report"),
        deviations=STUDY.deviations_digest,
        xor=lambda wc, input: f"--xor {input.xor}" if input.xor else "",
        claims=lambda wc, input: f"--claims {input.claims}" if input.claims else "",
        ladders=lambda wc, input: f"--ladders {input.ladders}" if input.ladders else "",
    message:
        "sum up what was reproduced"
    shell:
        "python -m scripts.report --tables {input.tables:q} {params.xor}"
        " {params.claims} {params.ladders}"
        " --output {output:q} 2> {log:q}"


if not STORED:  # Snakemake's report is written of files on a disk

    rule report:
        """Put tables and figures into Snakemake's own report: one file, no network needed."""
        input:
            TARGETS.all(),
        output:
            "results/report/report.html",
        log:
            "logs/report/report.log",
        group:
            PARAMS.group("tables")
        params:
            captions=STUDY.captions_digest,
            # Functions, for a path with {a} in it were one with a wildcard.
            settings=lambda wc: STUDY.command_line,
            snakefile=lambda wc: str(BASE / "Snakefile"),
        message:
            "write the report"
        shell:
            # Another Snakemake, which runs nothing and asks for no lock: the report holds
            # when and why each file was made, which is known once all of them are.
            "snakemake --snakefile {params.snakefile:q} --nolock --cores 1"
            " --report {output:q} --config {params.settings:q} -- results 2> {log:q}"


for name, experiments in STUDY.targets.items():

    rule:
        name:
            name
        input:
            TARGETS.of(experiments),
        localrule: True
