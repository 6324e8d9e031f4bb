"""A real SLURM on one machine, with nodes in name only: start, break and stop it.

Everything lies in one folder and on loopback: a munge with a key and a socket of its
own, slurmctld, a slurmd for each node, and, if asked for, slurmdbd with a private
MariaDB. Only a link outside is needed, /etc/slurm/slurm.conf, for jobs of
Snakemake's SLURM plug-in have no variable SLURM_CONF. It needs root, and no systemd,
cgroups or containers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import configuration

LINK = Path("/etc/slurm/slurm.conf")
# In the environment of every process of the cluster and of its jobs: its folder.
MARK = "IGNETLAB_SLURM"
NODES = ("n1", "n2")
PROGRAMS = {
    "slurmctld": ("slurmctld",),
    "slurmd": ("slurmd",),
    "slurm-client": ("sbatch", "squeue", "scontrol", "srun"),
    "munge": ("munged", "munge"),
}
DATABASE_PROGRAMS = {
    "slurmdbd": ("slurmdbd",),
    "slurm-client": ("sacct", "sacctmgr"),
    "mariadb-server": ("mariadbd", "mariadb-install-db"),
}


class ClusterError(RuntimeError):
    """The cluster did not do what it was asked for in time."""


def obstacle(database: bool = False) -> str | None:
    """Return why no cluster can be started here; None if nothing stands against it."""
    if os.name != "posix" or os.geteuid() != 0:
        return "a SLURM of one machine needs root"
    wanted = {**PROGRAMS, **(DATABASE_PROGRAMS if database else {})}
    missing = [
        package
        for package, programs in wanted.items()
        if not all(shutil.which(program, path=_path()) for program in programs)
    ]
    if missing:
        install = "apt-get install --no-install-recommends"
        return f"SLURM's programs are missing: {install} {' '.join(missing)}"
    if os.path.lexists(LINK) or os.environ.get("SLURM_CONF"):
        return f"another cluster is configured: {LINK} or SLURM_CONF is there"
    try:
        socket.gethostbyname(_host())
    except OSError:
        return f"the host's name {_host()} does not resolve; a line in /etc/hosts helps"
    return None


@dataclass(frozen=True)
class Cluster:
    """A cluster by the folder that it lies in."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """What a user of the cluster has in the environment."""
        return {MARK: str(self.folder), "SLURM_CONF": str(self.folder / "slurm.conf")}

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the daemons and of the calls to them."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        return {**kept, "PATH": _path(), **self.variables}

    def start(self, database: bool = False) -> None:
        """Start all daemons, until every node is idle. A failure leaves nothing."""
        reason = obstacle(database)
        if reason:
            raise ClusterError(reason)
        try:
            self._start(database)
        except BaseException:
            self.stop()
            raise

    def _start(self, database: bool) -> None:
        for name in ("log", "run", "state", *NODES):
            (self.folder / name).mkdir(parents=True)
        configuration.write(self.folder, _host(), NODES, database)
        LINK.parent.mkdir(exist_ok=True)
        LINK.symlink_to(self.folder / "slurm.conf")
        self._start_munge()
        if database:
            self._start_database()
        self.call("slurmctld")
        self._wait_for("slurmctld", 20, "scontrol", "ping")
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.states() == {n: "idle" for n in NODES}, 40, "idle nodes")

    def _start_munge(self) -> None:
        key, seed = self.folder / "munge.key", self.folder / "munge.seed"
        key.touch(mode=0o400)
        key.write_bytes(secrets.token_bytes(1024))
        run, log = self.folder / "run", self.folder / "log" / "munged.log"
        self.call(
            *("munged", "--force", f"--key-file={key}", f"--seed-file={seed}"),
            *(f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid"),
            f"--log-file={log}",
        )
        self._wait_for("munge", 10, "munge", "-n", "-S", f"{run}/munge.sock")

    def _start_database(self) -> None:
        data, log = self.folder / "database", self.folder / "log"
        named = f"--socket={self.folder}/run/database.sock"
        options = ("--no-defaults", "--user=root", f"--datadir={data}")
        self.call(
            *("mariadb-install-db", *options, "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        )
        # The one that does not leave its parent by itself.
        subprocess.run(
            [
                *("setsid", "--fork", "mariadbd", *options, named, "--skip-networking"),
                *("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"),
                f"--log-error={log}/mariadbd.log",
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        client = ("--no-defaults", named, "-u", "root")
        self._wait_for("MariaDB", 30, "mariadb-admin", *client, "ping")
        self.call("mariadb", *client, "-e", configuration.DATABASE)
        self.call("slurmdbd", **configuration.database_variables(self.folder))
        self._wait_for("slurmdbd", 20, "sacctmgr", "-n", "list", "cluster")
        for added in ("cluster test", "account test", "user root account=test"):
            self.call("sacctmgr", "-i", "add", *added.split())

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, for the first time or after kill_node."""
        self.call("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """kill -9 of a node's slurmd and of all that runs on the node."""
        self._kill(node)

    def states(self) -> dict[str, str]:
        """State of each node, as sinfo says it."""
        lines = self.call("sinfo", "-h", "-N", "-o", "%N %t").splitlines()
        return dict(line.split() for line in lines)

    def jobs(self) -> list[dict[str, str]]:
        """All jobs so far: id, state, last node, name, and what they asked for."""
        text = self.call("squeue", "-h", "--states=all", "-o", "%i|%T|%N|%j|%b|%C|%m")
        keys = ("id", "state", "node", "name", "gres", "cpus", "memory")
        return [
            dict(zip(keys, line.split("|"), strict=True)) for line in text.splitlines()
        ]

    def call(self, *command: str, **variables: str) -> str:
        """Call a program of the cluster's; its text. ClusterError if it fails."""
        done = subprocess.run(
            command,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # With a wrong munge nothing fails, everything tries again for minutes.
            timeout=60,
        )
        if done.returncode:
            raise ClusterError(f"{' '.join(command)} failed: {done.stdout[-2000:]}")
        return done.stdout

    def wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something is so. ClusterError with the daemons' last words."""
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                raise ClusterError(f"no {what} after {seconds} s\n{self.last_words()}")
            time.sleep(0.1)

    def _wait_for(self, what: str, seconds: float, *command: str) -> None:
        def answers() -> bool:
            try:
                self.call(*command)
            except ClusterError:
                return False
            return True

        self.wait(answers, seconds, what)

    def last_words(self) -> str:
        """The ends of all logs."""
        logs = sorted(self.folder.glob("*/*.log"))
        ends = [
            f"{log.name}:\n{log.read_text('utf-8', 'replace')[-800:]}" for log in logs
        ]
        return "\n".join(ends)

    def stop(self) -> None:
        """End all that the cluster started, and remove its link and its folder.

        By force: it is thrown away, and a daemon that ends in its own time takes some.
        """
        self.wait(lambda: not self._kill(), 30, "end of the processes")
        if LINK.is_symlink() and LINK.readlink() == self.folder / "slurm.conf":
            LINK.unlink()
        shutil.rmtree(self.folder)

    def _kill(self, node: str | None = None) -> int:
        """kill -9 of the cluster's processes, or a node's; how many there were."""
        found = self.processes(node)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def processes(self, node: str | None = None) -> list[int]:
        """Ids of what the cluster runs, or one node: daemons, jobs, all they started.

        A daemon and what holds its jobs stand in the folder of its log; the jobs of
        those who took `variables` carry the mark.
        """
        mark = f"{MARK}={self.folder}"
        place = self.folder / (node or "")
        running = _processes()
        found = {
            pid
            for pid, process in running.items()
            if process.stands_in.is_relative_to(place)
            or (node is None and mark in process.variables)
        }
        children: dict[int, list[int]] = {}
        for pid, process in running.items():
            children.setdefault(process.parent, []).append(pid)
        rest = list(found)
        while rest:
            new = set(children.get(rest.pop(), ())) - found
            found |= new
            rest += new
        return sorted(found - {os.getpid()})


@dataclass(frozen=True)
class _Process:
    parent: int
    stands_in: Path
    variables: list[str]


def _processes() -> dict[int, _Process]:
    """All processes of the machine that have not ended, by their ids."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The program's name, in brackets, may itself hold brackets and spaces.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            raw = (entry / "environ").read_bytes().decode("utf-8", "replace")
            place = str((entry / "cwd").readlink()).removesuffix(" (deleted)")
        except OSError:
            continue  # it has just ended, or is the kernel's own
        if state != "Z":
            found[int(entry.name)] = _Process(int(parent), Path(place), raw.split("\0"))
    return found


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _path() -> str:
    """PATH with the folders that Debian's daemons lie in."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
