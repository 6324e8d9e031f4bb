"""What README and docs tell people to type, typed into a shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.lib.io import packages

from .conftest import ROOT, write_drawings

TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
)
# A span of code, or a line of a block with those that it goes on in.
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:\.venv/bin/)?(?:snakemake|python -m engine) +[^ ].*", re.DOTALL
)
# They need a cluster, a storage, a shared folder (tests/reliability), or Apptainer.
_ELSEWHERE = re.compile(r"workflow-profile|--sdm|s3:|storage-provider|--cache$|DIR$")


def commands() -> list[str]:
    """All commands of Snakemake's and the engine's, each once."""
    found = {}
    for name in TEXTS:
        text = (ROOT / name).read_text("utf-8")
        blocks = [block.replace("\\\n", " ") for block in _BLOCK.findall(text)]
        lines = [line for block in blocks for line in block.splitlines()]
        spans = _SPAN.findall(_BLOCK.sub("", text))
        for piece in [*lines, *spans]:
            command = " ".join(piece.split())
            if _COMMAND.fullmatch(command) and not _ELSEWHERE.search(command):
                found[command.removeprefix(".venv/bin/")] = None
    return list(found)


def runs_jobs(command: str) -> bool:
    return "--cores" in command and "--unlock" not in command


COMMANDS = commands()
QUESTIONS = [command for command in COMMANDS if not runs_jobs(command)]


def test_the_commands_of_the_texts_are_found():
    assert len(COMMANDS) >= 25
    assert "snakemake --unlock" in QUESTIONS
    assert "snakemake --cores 2 --config data_dir=data dataset=my-drawings" in COMMANDS
    assert "python -m engine devices" in QUESTIONS


@pytest.fixture(scope="module")
def shell(repo, tmp_path_factory):
    """Return a function that types a command where the smallest run has ended."""
    here = tmp_path_factory.mktemp("typed")
    programs = here / ".venv/bin"
    programs.mkdir(parents=True)
    place = f"--snakefile {shlex.quote(str(repo / 'Snakefile'))} --directory work"
    bin_ = Path(sys.executable).parent
    for name, options in (("snakemake", place), ("python", "")):
        (programs / name).write_text(
            f'#!/bin/sh\nexec "{bin_ / name}" {options} "$@"\n'
        )
        (programs / name).chmod(0o755)
    for folder in (here / "data", here / "home/data"):
        write_drawings(folder / "my-drawings")
    own = repo / "config/datasets/my-drawings.yaml"
    readme = (
        (ROOT / "README.md").read_text("utf-8").partition(f"config/datasets/{own.name}")
    )
    own.write_text(readme[2].partition("```yaml\n")[2].partition("```")[0])
    for name, settings in (
        ("asked", "config: [scale=smoke, 'experiments=[xor]']\n"),
        ("planned", "config: [scale=smoke]\ndry-run: true\nquiet: all\n"),
    ):
        (here / name).mkdir()
        (here / name / "config.yaml").write_text(settings)

    def typed(command: str, profile: str = "asked") -> subprocess.CompletedProcess:
        caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        env = {k: v for k, v in os.environ.items() if k != "IGNET_DATA_DIR"}
        env |= {
            "HOME": str(here / "home"),
            "XDG_CACHE_HOME": caches,
            "PATH": f"{programs}{os.pathsep}{env['PATH']}",
            "PWD": str(here),
            "PYTHONPATH": str(repo),
            "SNAKEMAKE_PROFILE": str(here / profile),
        }
        return subprocess.run(
            ["bash", "-c", command],
            cwd=here,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    done = typed("snakemake --cores 2")
    assert done.returncode == 0, done.stdout[-4000:]
    yield typed
    own.unlink()


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_question_is_answered_as_it_is_written(shell, command):
    done = shell(command)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_lock_that_a_kill_left_is_removed_as_the_readme_says(shell):
    locks = "work/.snakemake/locks"
    left = f"mkdir -p {locks} && echo results/tables/xor.csv > {locks}/0.output.lock"
    refused = shell(f"{left} && snakemake --cores 2 xor")
    assert "LockException" in refused.stdout
    done = shell(".venv/bin/snakemake --unlock && snakemake --cores 2 xor")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_what_is_to_be_run_is_planned_as_it_is_written(shell):
    """Planned, not run: that would take hours; test_run runs what is here."""
    wanted = [command for command in COMMANDS if runs_jobs(command)]
    if packages.missing(*packages.KERAS):
        wanted.remove("snakemake --cores 2 keras_peer")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda command: shell(command, "planned"), wanted))
    failed = {r.args[-1]: r.stdout[-1500:] for r in results if r.returncode}
    assert failed == {}
