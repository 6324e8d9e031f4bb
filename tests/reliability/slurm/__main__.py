"""Start or stop a SLURM of one machine by hand, as root.

python -m tests.reliability.slurm start [--database]
python -m tests.reliability.slurm stop
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .cluster import LINK, NODES, Cluster, ClusterError, obstacle


def main() -> int:
    """Start a cluster in a new folder, or stop the one that /etc/slurm links to."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.slurm")
    parser.add_argument("what", choices=("start", "stop"))
    parser.add_argument("--database", action="store_true", help="accounting, for sacct")
    arguments = parser.parse_args()
    if arguments.what == "stop":
        if not LINK.is_symlink():
            print(f"nothing to stop: {LINK} is no link")
            return 1
        Cluster(LINK.readlink().parent).stop()
        return 0
    reason = obstacle(arguments.database)
    if reason:
        print(reason, file=sys.stderr)
        return 1
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ignetlab-slurm-")))
    try:
        cluster.start(arguments.database)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"SLURM is up: nodes {', '.join(NODES)}, partition main; sinfo, squeue work.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
