"""Profiles for clusters: they fit the rules, and repeat what they must."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
import yaml

from .conftest import ROOT

CLUSTERS = ("slurm", "sbatch", "kubernetes")
STATUS = ROOT / "profiles/sbatch/status.sh"


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text("utf-8"))


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_s_profile_repeats_the_default_one(name):
    ours = profile(name)
    # What there is on one machine, and what it shares, says nothing about a cluster.
    own = ("resources", "shared-fs-usage")
    default = {k: v for k, v in profile("default").items() if k not in own}
    assert default
    assert {key: ours.get(key) for key in default} == default


def test_groups_are_those_of_the_rules():
    text = "".join(p.read_text("utf-8") for p in ROOT.glob("workflow/rules/*.smk"))
    # That of trainings is a function: long ones are in none.
    named = set(re.findall(r'PARAMS.group\("(\w+)"\)', text)) | {"training"}
    assert "PARAMS.group_of_training" in text
    assert set(profile("slurm")["group-components"]) | {"data"} == named


def test_all_clusters_are_sent_the_same_groups():
    keys = ("cores", "group-components", "resources", "set-resource-scopes")
    one, *others = [{k: profile(name)[k] for k in keys} for name in CLUSTERS]
    assert others == [one] * len(others)


@pytest.mark.parametrize(
    ("squeue", "sacct", "status"),
    [
        ("echo COMPLETED", "exit 1", "success"),
        ("echo RUNNING", "exit 1", "running"),
        ("echo PENDING", "exit 1", "running"),
        ("echo NODE_FAIL", "exit 1", "failed"),
        ("echo OUT_OF_MEMORY", "exit 1", "failed"),
        ("echo TIMEOUT", "exit 1", "failed"),
        # Forgotten by squeue, known to the accounting.
        ("echo 'Invalid job id specified' >&2; exit 1", "echo COMPLETED", "success"),
        (":", "echo 'CANCELLED by 0'", "failed"),
        # Lost, or nobody can say.
        (":", ":", "failed"),
        (":", "echo 'Slurm accounting storage is disabled' >&2; exit 1", "failed"),
        (":", "echo 'Connection refused' >&2; exit 1", "running"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", ":", "running"),
    ],
)
def test_status_of_a_job(tmp_path, squeue, sacct, status):
    for name, text in (("squeue", squeue), ("sacct", sacct)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", STATUS, "17"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout == f"{status}\n"
