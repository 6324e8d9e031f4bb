# Needs:  all tables and figures, and how Snakemake made them
# Makes:  results/report/summary.rst, results/report/report.html, and the named targets


# The report's opening page (workflow/report/workflow.rst) shows the summary.
SUMMARY = Path("results/report/summary.rst")
config["summary"] = SUMMARY.read_text("utf-8") if SUMMARY.exists() else ""


rule summary:
    """Say in plain words what was reproduced and what was not, from the tables alone."""
    input:
        tables=[f"results/tables/{name}.csv" for name in STUDY.trained],
        xor=["results/tables/xor.csv"] if "xor" in STUDY.whole else [],
        claims=register_tables(),
        ladders=[
            f"results/tables/{name}.csv" for name in ladder.groups(STUDY, STUDY.whole)
        ],
    output:
        report(
            "results/report/summary.rst",
            caption="../report/summary.rst",
            category="Summary",
            labels={"experiment": "all"},
        ),
    log:
        "logs/report/summary.log",
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
            all_results(),
        output:
            "results/report/report.html",
        log:
            "logs/report/report.log",
        params:
            captions=STUDY.captions_digest,
            # Functions, for a path with {a} in it were one with a wildcard.
            settings=lambda wc: STUDY.command_line,
            snakefile=lambda wc: workflow.main_snakefile,
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
            target_results(experiments),
        localrule: True
