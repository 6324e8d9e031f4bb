# Needs:  all tables and figures
# Makes:  results/report/summary.rst, results/report/report.html, and the named targets


# The report's opening page (workflow/report/workflow.rst) shows the summary.
SUMMARY = Path("results/report/summary.rst")
config["summary"] = SUMMARY.read_text("utf-8") if SUMMARY.exists() else ""


rule summary:
    """Say in plain words what was reproduced and what was not, from the tables alone."""
    input:
        tables=[f"results/tables/{name}.csv" for name in STUDY.trained],
        xor=["results/tables/xor.csv"] if "xor" in STUDY.experiments else [],
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
    shell:
        "python -m scripts.report --tables {input.tables:q} {params.xor}"
        " --output {output:q} 2> {log:q}"


for name in STUDY.experiments:

    rule:
        name:
            name
        localrule: True
        input:
            results_of(name),
