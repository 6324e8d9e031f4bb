"""A stand-in for a Kubernetes cluster: it answers the plug-in, and runs its jobs here.

Each pod's command is run by a shell in an empty folder, with the environment that its
secret gives and nothing else. What is not like a cluster: there is no container, so a
pod sees the disk; it is started at once; no resources are looked after; `pip`, by which
every pod would install the storage plug-in once more, does nothing.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


class Cluster(ThreadingHTTPServer):
    """The jobs and secrets of one namespace; a context manager.  home: its folder."""

    daemon_threads = True

    def __init__(self, home: Path):
        super().__init__(("127.0.0.1", 0), _Request)
        self.home = home
        self.secrets: dict[str, dict[str, str]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}  # as they were sent
        self.pods: dict[str, subprocess.Popen] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> Cluster:
        (self.home / "image").mkdir(parents=True)
        pip = self.home / "image/pip"
        pip.write_text("#!/bin/sh\nexit 0\n")
        pip.chmod(0o755)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        for name in self.pods:
            self.kill(name)
        self.server_close()

    def config(self) -> Path:
        """Return a file for $KUBECONFIG."""
        address = f"http://127.0.0.1:{self.server_port}"
        name = {"cluster": "here", "user": "us"}
        path = self.home / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": address}}],
                    "users": [{"name": "us", "user": {}}],
                    "contexts": [{"name": "here", "context": name}],
                    "current-context": "here",
                }
            )
        )
        return path

    def start(self, job: dict[str, Any]) -> None:
        """Run the one container of a job's pod."""
        name = job["metadata"]["name"]
        [container] = job["spec"]["template"]["spec"]["containers"]
        folder = self.home / name
        folder.mkdir()
        path = [self.home / "image", Path(sys.executable).parent, "/usr/bin", "/bin"]
        given = {"PATH": os.pathsep.join(map(str, path)), "HOME": str(folder)}
        for entry in container["env"]:
            source = entry["valueFrom"]["secretKeyRef"]
            coded = self.secrets[source["name"]][source["key"]]
            given[entry["name"]] = base64.b64decode(coded).decode()
        with open(self.home / f"{name}.log", "w") as log:
            self.pods[name] = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=folder,
                env=given,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.jobs[name] = job

    def kill(self, name: str) -> None:
        """End a pod with all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pods[name].pid, signal.SIGKILL)
        self.pods[name].wait()

    def status(self, name: str) -> dict[str, int]:
        """Return a job's status, as the API counts pods."""
        code = self.pods[name].poll()
        return {"active" if code is None else "failed" if code else "succeeded": 1}

    def failed(self) -> list[str]:
        """Return what the pods that failed have said."""
        names = [name for name in self.pods if self.status(name).get("failed")]
        return [(self.home / f"{name}.log").read_text()[-3000:] for name in names]


class _Request(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.path.rpartition("/")[2]
        with self.server.lock:
            if kind == "secrets":
                self.server.secrets[sent["metadata"]["name"]] = sent["data"]
            elif kind == "jobs":
                self.server.start(sent)
            else:
                return self.send_error(404)
        self._answer(sent, 201)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].split("/")
        if path[-1] == "pods":
            return self._answer({"kind": "PodList", "apiVersion": "v1", "items": []})
        if path[-3:-2] == ["jobs"] and path[-1] == "status":
            with self.server.lock:
                if path[-2] in self.server.pods:
                    status = self.server.status(path[-2])
                    job = self.server.jobs[path[-2]]
                    return self._answer(job | {"status": status})
        self.send_error(404)

    def do_DELETE(self) -> None:
        # Of a job that runs, its pod too, as in a cluster.
        with self.server.lock:
            name = self.path.partition("?")[0].rpartition("/")[2]
            if name in self.server.pods:
                self.server.kill(name)
        self._answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _answer(self, content: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass
