"""A program whose process is stopped while it waits for responses, by real signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

pytestmark = [pytest.mark.realtime, pytest.mark.fault("U24")]

PROGRAM = """
import socket, sys
import anyio
import anycreds
from anycreds._system.files import read

port, loop = sys.argv[1:]
keys = anycreds.from_env(environ={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"})
url = f"http://127.0.0.1:{port}"
config = anycreds.ClientConfig(endpoint_url=url, region="eu-west-1", max_attempts=1)

def in_thread():
    with socket.create_connection(("127.0.0.1", int(port))) as connected:
        connected.sendall(b"READ \\r\\n\\r\\n")
        return connected.recv(1)

async def call(get, *arguments):
    try:
        await get(*arguments)
    except anycreds.CredentialsError as error:
        print(get, error)

async def main():
    for seconds in (20, 0.5):  # first only to load what is needed; then the process is stopped for longer
        read.READ_TIMEOUT = seconds
        container = anycreds.from_http(full_uri=url, timeout=seconds, max_retries=0)
        role = anycreds.from_temporary_credentials(
            "arn:aws:iam::123456789012:role/Demo", source_credentials=keys, client_config=config, timeout=seconds
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, container)
            tasks.start_soon(call, role)
            tasks.start_soon(call, read.read_in_thread, in_thread)

backend = "trio" if loop == "trio" else "asyncio"
anyio.run(main, backend=backend, backend_options={"use_uvloop": True} if loop == "uvloop" else {})
"""
DOCUMENT = b'{"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}'
ROLE = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
CALLS = 3  # of the program at the same time
STOPPED = 4 * (0.2,)  # seconds: longer than the timeout of the program


class HoldingServer:
    """Responds to the first calls of a program at once, and to the others while the program is stopped."""

    def __init__(self) -> None:
        self._requests = 0
        self._waiting = threading.Semaphore(0)
        self.may_respond = threading.Event()

    def has_all_requests(self) -> bool:
        """Wait until all requests have arrived that are not responded to."""
        return all(self._waiting.acquire(timeout=20) for _ in range(CALLS))

    def serve(self, listener: socket.socket) -> None:
        for _ in range(2 * CALLS):
            connection, _ = listener.accept()
            self._requests += 1
            must_wait = self._requests > CALLS
            threading.Thread(target=self._respond, args=(connection,), kwargs={"must_wait": must_wait}).start()

    def _respond(self, connection: socket.socket, *, must_wait: bool) -> None:
        with connection:
            head = connection.recv(65536)
            if must_wait:
                self._waiting.release()
                assert self.may_respond.wait(10)
            body = DOCUMENT if head.startswith(b"GET") else ROLE
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_stopped_process_uses_what_has_arrived(loop: str) -> None:
    """A process that was stopped for longer than its timeouts gets the responses that arrived meanwhile."""
    server = HoldingServer()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=server.serve, args=(listener,))
        accepting.start()
        arguments = [sys.executable, "-c", PROGRAM, str(listener.getsockname()[1]), loop]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "AWS_CONFIG_FILE": os.devnull}
        with subprocess.Popen(arguments, env=environ, stdout=subprocess.PIPE, text=True) as process:
            assert server.has_all_requests()
            process.send_signal(signal.SIGSTOP)
            server.may_respond.set()
            for seconds in STOPPED:
                time.sleep(seconds)
            process.send_signal(signal.SIGCONT)
            output, _ = process.communicate(timeout=20)
        accepting.join(10)
    assert (process.returncode, output) == (0, "")
