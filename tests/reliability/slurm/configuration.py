"""What the daemons of the one-machine SLURM are told."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

CPUS, MEMORY_MB = 2, 8000  # what a node claims to have
ACCOUNTS = "slurm_acct_db"
DATABASE = (
    f"create database {ACCOUNTS}; create user 'slurm'@'localhost' identified by 'test';"
    f" grant all on {ACCOUNTS}.* to 'slurm'@'localhost';"
)

_SLURM = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/state/spool-%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
# A slurmd, and what holds its jobs, stand where its log lies.
SlurmdLogFile={folder}/%n/slurmd.log
PlugStackConfig={folder}/plugstack.conf
MailProg=/bin/true
# No cgroups, no affinity; nodes claim what they like.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
# Else a job that asks for no memory gets all of a node's.
DefMemPerCPU=500
# Quick: tests wait for it.
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
KillWait=2
SlurmdTimeout=3
MessageTimeout=2
TCPTimeout=1
BatchStartTimeout=1
ReturnToService=2
MinJobAge=3600
GresTypes=gpu
"""
_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[1]}
# For slurmdbd the munge socket is taken from here, not from AuthInfo.
AccountingStoragePass={folder}/run/munge.sock
AccountingStorageTRES=gres/gpu
"""
_NODE = "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
_SLURMDBD = """\
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=test
StorageLoc=slurm_acct_db
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
"""


def write(folder: Path, host: str, nodes: Sequence[str], database: bool) -> None:
    """Write slurm.conf and what belongs to it; the first node has a GPU in name."""
    ports = _free_ports(2 + len(nodes))
    said = {"folder": folder, "host": host, "ports": ports}
    lines = [_SLURM.format(**said)]
    if database:
        lines.append(_ACCOUNTING.format(**said))
    for node, port in zip(nodes, ports[2:], strict=True):
        claims = f" CPUs={CPUS} RealMemory={MEMORY_MB}"
        gpu = " Gres=gpu:1" if node == nodes[0] else ""
        lines.append(_NODE.format(node=node, host=host, port=port) + claims + gpu)
    lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00")
    (folder / "slurm.conf").write_text("\n".join([*lines, ""]))
    (folder / "plugstack.conf").touch()
    # /dev/zero stands in for a device: it is counted, nobody opens it.
    (folder / "gres.conf").write_text(f"NodeName={nodes[0]} Name=gpu File=/dev/zero\n")
    if database:
        path = folder / "slurmdbd.conf"
        path.touch(mode=0o600)
        path.write_text(_SLURMDBD.format(**said))


def database_variables(folder: Path) -> dict[str, str]:
    """How slurmdbd finds the database of "localhost": MariaDB's own variable."""
    return {"MYSQL_UNIX_PORT": os.fspath(folder / "run" / "database.sock")}


def _free_ports(number: int) -> list[int]:
    """Ports of the loopback interface that nobody listens to."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
