"""An S3 server on this machine, and a bucket of it."""

from __future__ import annotations

import importlib.util
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

KEYS = {f"SNAKEMAKE_STORAGE_S3_{key}_KEY": "any" for key in ("ACCESS", "SECRET")}


def missing() -> str:
    """Return the package that is not there; empty if all are."""
    packages = ("moto", "flask", "boto3", "snakemake_storage_plugin_s3")
    return next((p for p in packages if not importlib.util.find_spec(p)), "")


@dataclass(frozen=True)
class Store:
    """An empty bucket, and a folder in it whose name ends like one of ours."""

    address: str
    bucket: str = "bucket"
    folder: str = "a-run/results"

    @property
    def options(self) -> list[str]:
        """Options of snakemake that put all files there."""
        return [
            *("--default-storage-provider", "s3"),
            *("--storage-s3-endpoint-url", self.address),
            *("--default-storage-prefix", f"s3://{self.bucket}/{self.folder}"),
        ]

    def answers(self) -> bool:
        """Say whether the server is up; then there is the bucket, too."""
        from botocore.exceptions import EndpointConnectionError

        try:
            self.client().create_bucket(Bucket=self.bucket)
        except EndpointConnectionError:
            return False
        return True

    def client(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def fetch(self, to: Path) -> Path:
        """Fetch all that lies in the folder; return where it lies now."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.folder}/"):
            for entry in page.get("Contents", ()):
                path = to / entry["Key"].removeprefix(f"{self.folder}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(self.bucket, entry["Key"], str(path))
        return to


def on_a_free_port() -> tuple[Store, list[str]]:
    """Return a store that is not there yet, and the command that serves it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return Store(f"http://127.0.0.1:{port}"), command
