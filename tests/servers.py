"""Real servers on this machine: MLflow's, the PostgreSQL that it may keep its runs in, and one that speaks S3."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread

import boto3
import pytest
from moto.server import ThreadedMotoServer

from workspaces import find_free_port, make_environment

S3_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
POSTGRES_FOLDERS = "/usr/lib/postgresql"  # where Debian keeps programs that are not on PATH


@contextmanager
def start_server(folder: Path, *command: str, **environment: str) -> Iterator[int]:
    """Run a server of MLflow's in `folder` until the block is left; yield its process group when it answers."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    variables = make_environment() | environment
    server = subprocess.Popen(command, cwd=folder, env=variables, start_new_session=True, **pipes)
    try:
        assert any("Uvicorn running on" in line for line in server.stdout)
        # Somebody has to read what it prints, or it stops when the pipe is full.
        Thread(target=server.stdout.read, daemon=True).start()
        yield server.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def serve(folder: Path, port: int, store: str = "sqlite:///server.db") -> Iterator[int]:
    """Serve tracking and registry, with a database and artifacts of the server's own; yield its process group."""
    command = ["mlflow", "server", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", store, "--artifacts-destination", "artifacts"]
    with start_server(folder, *command, *stores, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false") as group:
        yield group


@contextmanager
def start_s3(bucket: str, **objects: bytes) -> Iterator[str]:
    """Serve a bucket with these objects until the block is left; yield the server's address."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        secrets = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **secrets)
        client.create_bucket(Bucket=bucket)
        for key, content in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=content)
        yield address
    finally:
        server.stop()


@contextmanager
def start_postgres() -> Iterator[str]:
    """Run PostgreSQL with an empty database until the block is left; yield its address.

    The test is skipped if PostgreSQL or its driver is not installed, or may not run as this user.
    """
    found = sorted(Path(POSTGRES_FOLDERS).glob("*/bin"))
    path = os.pathsep.join([os.environ["PATH"], *map(str, reversed(found))])
    initdb, postgres = (shutil.which(name, path=path) for name in ("initdb", "postgres"))
    if not (initdb and postgres):
        pytest.skip("PostgreSQL is not installed (on Debian, the package postgresql)")
    if not find_spec("psycopg2"):
        pytest.skip("psycopg2 is not installed (the package psycopg2-binary)")
    user, as_user = ["--username", "tester"], []
    # Not in pytest's folder, which other users may not enter.
    home = Path(mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and setpriv is not installed")
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(home, "nobody", "nogroup")
    data, port = home / "data", find_free_port()
    try:
        make = [*as_user, initdb, "--pgdata", data, *user, "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
        subprocess.run(make, cwd=home, check=True, stdout=subprocess.DEVNULL)
        options = ["-p", str(port), "-k", home, "-h", "127.0.0.1", "-F", "-c", "max_connections=200"]
        server = subprocess.Popen(
            [*as_user, postgres, "-D", data, *options], cwd=home, stderr=subprocess.PIPE, text=True
        )
        try:
            assert any("ready to accept connections" in line for line in server.stderr)
            Thread(target=server.stderr.read, daemon=True).start()
            yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()
    finally:
        shutil.rmtree(home)
