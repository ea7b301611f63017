"""What the jobs of all engines need: S3 by moto, an endpoint for credentials that counts its calls, and a report.

An engine runs in a program of its own, because it starts threads and processes that live until the program ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from anycreds import CachedProvider, CredentialsError, cached, create_credential_chain, from_env, from_http
from engines import tasks
from engines.tasks import BUCKET, Reading

# Not that of ``anycreds.testing``, which a worker would have to import.
CANARY = "canary-of-the-engines"
TOKEN = f"{CANARY}-token"
PARTS, OBJECTS = 3, 96
# So long that the first part of the tasks runs within a half of it, in which no key is refreshed.
LIFETIME = timedelta(seconds=24)
SETUP = "setup"
_KEY = "Credential="


class World:
    """The state of both servers."""

    def __init__(self, token_file: Path) -> None:
        self.token_file = token_file
        self.lifetime = LIFETIME
        self.issued = 0
        self.rejected = 0
        self.credentials_url = self.s3_url = ""
        self.valid: dict[str, timedelta] = {}
        """The lifetimes of the keys that are accepted."""
        self.calls: dict[str, Counter[int]] = {}
        """The calls of the endpoint, by job and process."""
        self.lock = threading.Lock()

    def provider(self, job: str) -> CachedProvider:
        """Return a provider of credentials from the endpoint for a job, as a program would create it."""
        self.calls[job] = Counter()
        url = f"{self.credentials_url}/{job}"
        # A busy machine may take longer than the default, and each retry would be a call.
        endpoint = from_http(full_uri=url, authorization_token_file=self.token_file, timeout=20)
        return cached(create_credential_chain(from_env(), endpoint))

    def revoke_short_lived(self) -> None:
        """Reject the keys that were issued with a short lifetime from now on."""
        self.valid = {key: lifetime for key, lifetime in self.valid.items() if lifetime > LIFETIME}

    def issue(self, job: str, process: int) -> dict[str, str]:
        """Return the next credentials, for a process."""
        with self.lock:
            self.calls[job][process] += 1
            self.issued += 1
            number = self.issued
            key = f"ASIA{number:04d}"
            self.valid[key] = self.lifetime
        return {
            "AccessKeyId": key,
            "SecretAccessKey": f"{CANARY}-secret-{number}",
            "Token": f"{CANARY}-session-{number}",
            "Expiration": f"{datetime.now(UTC) + self.lifetime:%Y-%m-%dT%H:%M:%SZ}",
        }


@contextmanager
def running(token_file: Path) -> Iterator[World]:
    """Run both servers during the ``with`` block, with the objects in the bucket."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):  # type: ignore[misc] # Any without werkzeug
        def log_request(self, *_: object) -> None:
            """Log nothing."""

    token_file.write_text(TOKEN)
    world = World(token_file)
    gateway = _gateway(world, DomainDispatcherApplication(create_backend_app))
    s3 = make_server("127.0.0.1", 0, gateway, threaded=True, request_handler=Quiet)
    credentials = ThreadingHTTPServer(("127.0.0.1", 0), _handler(world))
    world.s3_url = f"http://127.0.0.1:{s3.server_port}"
    world.credentials_url = f"http://127.0.0.1:{credentials.server_port}/credentials"
    for server in (s3, credentials):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _fill_bucket(world)
        yield world
    finally:
        s3.shutdown()
        credentials.shutdown()


def _fill_bucket(world: World) -> None:
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=world.s3_url,
        region_name="us-east-1",
        aws_access_key_id=SETUP,
        aws_secret_access_key=SETUP,
    )
    s3.create_bucket(Bucket=BUCKET)
    for number in range(OBJECTS):
        s3.put_object(Bucket=BUCKET, Key=f"{number:04d}", Body=f"content {number}".encode())


def _gateway(world: World, application: Any) -> Any:
    """Return moto behind a check of the access key, which moto does not make."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        _, found, rest = environ.get("HTTP_AUTHORIZATION", "").partition(_KEY)
        key = rest.partition("/")[0] if found else ""
        if key not in world.valid and key != SETUP:
            with world.lock:
                world.rejected += 1
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        return application(environ, start_response)

    return call


def process_of(address: tuple[str, int]) -> int:
    """Return the process on this machine that a connection comes from."""
    import psutil

    return next(int(one.pid) for one in psutil.net_connections("tcp4") if one.pid and one.laddr == address)


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_allowed = self.headers["Authorization"] == TOKEN
            job, process = self.path.rpartition("/")[2], process_of(self.client_address)
            body = json.dumps(world.issue(job, process) if is_allowed else {"code": "Unauthorized"}).encode()
            self.send_response(200 if is_allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


class Report:
    """What a job prints at its end, as one line of JSON."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.started = time.monotonic()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pickles: list[bytes] = []
        self.failure = ""

    def recording(self, dumps: Callable[..., bytes]) -> Callable[..., bytes]:
        """Return a function that pickles, and keeps what it returns."""

        def recorded(*args: Any, **options: Any) -> bytes:
            result = dumps(*args, **options)
            self.pickles.append(bytes(result))
            return result

        return recorded

    def add(self, job: str, world: World, parts: list[list[Reading]]) -> None:
        """Add the figures of a job: what its tasks have read before the rotation, and in two parts after it."""
        readings = [reading for part in parts for reading in part]
        processes = sorted({reading.process for reading in readings})
        first = {reading.process for reading in parts[0]}
        later = {reading.process for part in parts[1:] for reading in part}
        calls = world.calls[job]
        self.jobs[job] = {
            "tasks": len(readings),
            "wrong": sum(one.content != f"content {int(one.name)}".encode() for one in readings),
            "own_calls": calls.pop(os.getpid(), 0),
            "calls": [calls[process] for process in processes],
            "rotations": [int(process in first and process in later) for process in processes],
            "other_calls": calls.total() - sum(calls[process] for process in processes),
        }

    def show(self, world: World) -> None:
        """Print the report."""
        summary = {
            "engine": self.engine,
            "jobs": self.jobs,
            "rejected_requests": world.rejected,
            "failure": self.failure,
            "pickles": len(self.pickles),
            "pickled_providers": sum(b"from_http" in one for one in self.pickles),
            "pickled_secrets": sum(CANARY.encode() in one for one in self.pickles),
            "seconds": round(time.monotonic() - self.started, 1),
        }
        print(json.dumps(summary))  # noqa: T201 - the test reads it


Start = Callable[[Any, list[str]], list[Any]]
"""Starts a task for each name, with the thing to read with."""


def run_jobs(world: World, report: Report, starts: Mapping[str, Start], gather: Callable[[list[Any]], Any]) -> None:
    """Read all objects with s3fs and with obstore, if both are given, each with a provider of its own.

    After a third of the tasks all keys come into their advisory window. After two thirds the old keys are revoked.
    """
    providers = {job: world.provider(job) for job in starts}
    for provider in providers.values():
        asyncio.run(provider())  # this process has credentials, which must not be sent
    libraries = {"s3fs": tasks.file_system, "obstore": tasks.object_store}
    given = {job: libraries[job](provider, world.s3_url) for job, provider in providers.items()}
    readings: dict[str, list[list[Reading]]] = {job: [] for job in starts}
    for part in range(PARTS):
        names = [f"{number:04d}" for number in range(part, OBJECTS, PARTS)]
        for job, start in starts.items():
            readings[job].append(gather(start(given[job], names)))
        if part == 0:
            world.lifetime = timedelta(hours=1)
            time.sleep(LIFETIME.total_seconds() * 0.6)  # of every lifetime a half is over, and none has ended
        else:
            time.sleep(2)  # refreshes in the background, which the last tasks have started, end in this time
            world.revoke_short_lived()
    for job, parts in readings.items():
        report.add(job, world, parts)


def failure_of(run: Callable[[CachedProvider], object]) -> str:
    """Return the error of a task on a worker without the file that the provider needs."""
    missing = from_http(full_uri="http://127.0.0.1:1/", authorization_token_file="/missing/token")
    try:
        run(cached(missing))
    except CredentialsError as error:
        return error.message
    return "no CredentialsError"
