# Needs:  metrics on the same folds, trivial baselines; and the tables of all experiments
# Makes:  results/tables/{comparisons,claims}_ID.{csv,md,tex}


rule comparisons:
    """Compare models two by two on the same folds, where no fold leaks."""
    input:
        unpack(INPUTS.compared),
    output:
        csv=report(
            "results/tables/comparisons_{comparison}.csv",
            caption="../report/comparisons.rst",
            category="Tables",
            labels={"experiment": "{comparison}, comparisons"},
        ),
        others=multiext("results/tables/comparisons_{comparison}", ".md", ".tex"),
    log:
        "logs/tables/comparisons_{comparison}.log",
    wildcard_constraints:
        comparison="|".join(STUDY.configs.comparisons),
    group:
        PARAMS.group("tables")
    params:
        code=code("comparisons"),
        asked=lambda wc: claims_plan.comparison_json(STUDY, wc.comparison),
        runs=runs_above("metrics"),
        data=lambda wc, input: above(input.labels[0], 2),
        stem=stem_of,
    message:
        "compare models, two by two ({wildcards.comparison})"
    shell:
        "python -m scripts.comparisons --comparison-json {params.asked:q}"
        " --runs {params.runs:q} --data {params.data:q}"
        " --output-stem {params.stem:q} 2> {log:q}"


rule claims:
    """Say of every testable sentence of a document whether our tables bear it out."""
    input:
        tables=lambda wc: TARGETS.claims_tables(wc.document),
        sources=lambda wc: TARGETS.claims_sources(wc.document),
    output:
        csv=report(
            "results/tables/claims_{document}.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"document": "{document}"},
        ),
        others=multiext("results/tables/claims_{document}", ".md", ".tex"),
    log:
        "logs/tables/claims_{document}.log",
    wildcard_constraints:
        document="|".join(STUDY.configs.claims),
    group:
        PARAMS.group("tables")
    params:
        code=code("claims"),
        claims=lambda wc: STUDY.digest([STUDY.part("claims", wc.document)]),
        outside=lambda wc: TARGETS.outside_tables(wc.document),
        content=lambda wc: STUDY.digest_files(
            Path(), TARGETS.outside_tables(wc.document)
        ),
        scale=STUDY.scale,
        stem=stem_of,
    message:
        "look what our tables say to the claims of {wildcards.document}"
    shell:
        "python -m scripts.claims"
        ' --claims "$IGNETLAB_CONFIG"/claims/{wildcards.document}.yaml'
        " --tables {input.tables:q} {params.outside:q}"
        " --sources {input.sources:q} --scale {params.scale}"
        " --output-stem {params.stem:q} 2> {log:q}"
