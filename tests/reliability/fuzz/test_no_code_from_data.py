"""Nothing that is read can run: no call in the source that would, and real attempts."""

from __future__ import annotations

import ast
import io
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.exchange import npz
from scripts.lib.data import cifar_files
from scripts.lib.io.schema import read_yaml
from tests.reliability.fuzz.harness import ROOT

pytestmark = pytest.mark.reliability

# Calls that may run what they read, by the end of their names.
RUNNING = {
    *("eval", "exec", "compile", "__import__", "import_module", "run_path"),
    *("pickle.load", "pickle.loads", "Unpickler", "_Unpickler", "cPickle.load"),
    *("marshal.loads", "shelve.open", "joblib.load", "read_pickle", "torch.load"),
    *("dill.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
    *("np.load", "numpy.load", "literal_eval", "os.system", "os.popen", "getoutput"),
    *("extractall", "unpack_archive", "mktemp", "os.execv", "pty.spawn"),
}
# Where one stands all the same, and why that is right.
ALLOWED = {
    (
        "scripts/lib/data/cifar_files.py",
        "_Unpickler",
    ): "builds stand-ins alone (test_cifar.py)",
    (
        "scripts/lib/data/cifar_files.py",
        "read_pickle",
    ): "the project's own, by that unpickler",
    ("scripts/lib/speed/worker.py", "eval"): "a method of PyTorch's modules",
    ("scripts/lib/speed/worker.py", "compile"): "torch.compile",
    ("scripts/lib/train/keras_models.py", "compile"): "a method of Keras's models",
}
# Parameters in shell commands that need no quotes: ids that the configuration's check
# restricts to letters, digits, _ and -; numbers; options that are quoted where made.
UNQUOTED = {
    *("input.claims", "input.ladders", "input.xor", "threads", "params.name"),
    *("params.augmentation", "params.claims", "params.ladders", "params.xor"),
    *("params.scale", "params.seed", "params.stands_in"),
}


def sources() -> list[Path]:
    return sorted(
        p for part in ("engine", "scripts") for p in (ROOT / part).rglob("*.py")
    )


def called(call: ast.Call) -> str:
    return ast.unparse(call.func) if not isinstance(call.func, ast.Call) else ""


def test_no_call_runs_what_is_read():
    found, used = [], set()
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = called(node)
            risky = {r for r in RUNNING if name == r or name.endswith(f".{r}")}
            if name == "re.compile":
                continue
            for risk in risky:
                if (place, risk) in ALLOWED:
                    used.add((place, risk))
                else:
                    found.append(f"{place}:{node.lineno}: {name}")
            for keyword in node.keywords:
                value = ast.unparse(keyword.value)
                if (keyword.arg, value) in {
                    ("shell", "True"),
                    ("allow_pickle", "True"),
                }:
                    found.append(f"{place}:{node.lineno}: {name}({keyword.arg}=True)")
    assert not found, found
    assert used == set(ALLOWED), "allowed, but no longer there"


def test_yaml_is_read_by_safe_loaders_alone():
    for path in sources():
        text = path.read_text("utf-8")
        for name in re.findall(r"yaml\.(\w*Loader)", text):
            assert name == "SafeLoader", (path, name)


def test_shell_commands_quote_what_they_are_given():
    found = []
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text("utf-8")
        for match in re.finditer(
            r"\{((?:input|output|log|params|threads)[^{}]*)\}", text
        ):
            name = match[1]
            if not name.endswith(":q") and name not in UNQUOTED and "(" not in name:
                found.append(f"{path.name}: {{{name}}}")
    assert not found, found


class Evil:
    """What a pickle may hold: a call of any function."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def pwned(tmp_path) -> Path:
    """A file that only code in data would make."""
    path = tmp_path / "pwned"
    yield path
    assert not path.exists()


def test_pickles_in_an_npz(pwned, tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, a=np.array([Evil(pwned)], object))
    with pytest.raises(
        engine.CheckpointError, match=r"net\.npz: .*no array of numbers"
    ):
        npz.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", pickle.dumps(Evil(pwned)))
    with pytest.raises(engine.CheckpointError, match=r"net\.npz: "):
        engine.load(path)
    # A header is Python's own notation, and was once read by eval.
    text = f"__import__('os').system('touch {pwned}')".encode().ljust(118) + b"\n"
    packed = io.BytesIO(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", packed.getvalue())
    with pytest.raises(engine.CheckpointError, match=r"net\.npz: "):
        npz.read(path)


TAGS = (
    "!!python/object/apply:os.system ['touch {}']",
    "!!python/object/new:os.system ['touch {}']",
    "!!python/object/apply:subprocess.Popen [['touch', '{}']]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/object:collections.OrderedDict {{}}",
)


@pytest.mark.parametrize("tag", TAGS)
def test_tags_in_yaml(tag, pwned, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(f"a: {tag.format(pwned)}\n")
    with pytest.raises(ValueError, match=r"model\.yaml: expected YAML"):
        read_yaml(path, str(path))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_calls_in_files_of_cifar(protocol, pwned, tmp_path):
    path = tmp_path / "train"
    path.write_bytes(pickle.dumps({b"data": Evil(pwned)}, protocol=protocol))
    with pytest.raises(cifar_files.CifarError, match=r"train: .*could run any program"):
        cifar_files.read_pickle(path)
