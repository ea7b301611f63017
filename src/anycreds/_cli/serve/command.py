"""How ``serve`` goes: credentials first, then the socket and the token, the lines that tell of them, the serving."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio

from ... import CachedProvider, CredentialsError, cached, from_default_chain
from .._common import DONE, asked, complain, deliver, drop_output, refuse
from .._formats import IDENTITY_VARIABLES, shell_lines
from .._recursion_guard import guarded
from .lifetime import TICK, Life
from .responses import PATH, Door
from .server import Endpoint, listen

VERB = "serve"
# Keys that have no end may be replaced all the same. To look again costs a variable, a file or a command.
RECHECK = 5 * 60.0


def serve(arguments: Namespace) -> int:
    """Serve until the end. Return the exit status."""
    _open_standard_files()
    # Who called the program that is about to leave is who evaluates what it prints.
    process = os.getppid() if arguments.background and arguments.parent is None else arguments.parent
    life = Life(process, arguments.lifetime, until_eof=arguments.until_eof)
    with guarded(arguments.profile) as problem:
        provider = cached(from_default_chain(arguments.profile), recheck_after=RECHECK)
        first = problem or asked(provider, arguments.profile)
        if isinstance(first, CredentialsError):
            return refuse(VERB, first, arguments.profile, as_json=arguments.json)
        try:
            listening = listen(arguments.port)
        except OSError as error:
            reason = f"port {arguments.port} cannot be used: {os.strerror(error.errno or 0)}"
            return complain(VERB, reason, as_json=arguments.json)
        token = secrets.token_urlsafe(32)
        with listening, life.ended_by_signals(), ExitStack() as places:
            try:
                path = places.enter_context(_token_file(token))
            except OSError as error:  # as in a container whose files are all read-only
                reason = f"the token's file cannot be written: {error.strerror}; TMPDIR says where to"
                return complain(VERB, reason, as_json=arguments.json)
            status = deliver(VERB, _told(listening, token, path, as_json=arguments.json), as_json=arguments.json)
            if status != DONE:
                return status
            if arguments.background:
                _leave_caller()
            elif not arguments.json and sys.stderr is not None:
                print(_note(listening, arguments.lifetime), file=sys.stderr, flush=True)
            drop_output()  # so that who reads to the end comes to one
            anyio.run(_serve, provider, Door(token, listening.getsockname()[1]), listening, life)
    return DONE


async def _serve(provider: CachedProvider, door: Door, listening: socket.socket, life: Life) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Endpoint(provider, door).serve, listening)
        while not life.is_over():  # noqa: ASYNC110 - there is no event for the end of a parent
            await anyio.sleep(TICK)
        tasks.cancel_scope.cancel()


@contextmanager
def _token_file(token: str) -> Iterator[str]:
    """Keep the token in a file that nobody else can read. Some SDKs take it only from there, others not."""
    with tempfile.TemporaryDirectory(prefix="anycreds-") as folder:  # mode 0700
        path = Path(folder) / "token"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token)  # without a newline, which SDKs would send or refuse
        yield str(path)


def _told(listening: socket.socket, token: str, path: str, *, as_json: bool) -> str:
    """Return what programs need to know."""
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path,
    }
    return json.dumps(variables) if as_json else shell_lines(variables, IDENTITY_VARIABLES)


def _note(listening: socket.socket, lifetime: float | None) -> str:
    end = "" if lifetime is None else f" or after {lifetime:g} s"
    port = listening.getsockname()[1]
    return f"anycreds serve: serving on 127.0.0.1:{port} until Control-C, with the process that started it{end}"


def _open_standard_files() -> None:
    """See that no socket gets the number of a standard file that was closed before the start."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


def _leave_caller() -> None:
    """Go on in a process of its own, which no Control-C of the terminal reaches. The caller ends here, with success."""
    if os.fork():
        os._exit(DONE)  # without removing what the other one needs
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
