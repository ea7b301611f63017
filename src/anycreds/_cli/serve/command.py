"""Run ``serve``: get credentials, open the socket, write the token file, print the variables, and serve."""

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

from ... import CachedProvider, cached, from_default_chain
from .._common import DONE, CommandError, close_output, write_output
from .._formats import CREDENTIAL_VARIABLES, shell_lines
from .._mfa import prompt_for_mfa_code
from .._recursion_guard import recursion_guard
from .lifetime import CHECK_INTERVAL, Lifetime
from .responses import PATH, AccessCheck
from .server import CredentialServer, listen

# Seconds. Keys without expiration may be replaced, too. Checking costs a variable, a file or a command.
RECHECK_AFTER = 5 * 60.0


def serve(arguments: Namespace) -> int:
    """Serve until the end. Return the exit status."""
    _open_standard_files()
    # In the background the server ends with the shell that evaluates the output, which is the parent of this process.
    process = os.getppid() if arguments.background and arguments.parent is None else arguments.parent
    lifetime = Lifetime(process, arguments.seconds, until_eof=arguments.until_eof)
    with recursion_guard():
        source = from_default_chain(arguments.profile, mfa_code_provider=prompt_for_mfa_code)
        provider = cached(source, recheck_after=RECHECK_AFTER)
        anyio.run(provider)  # without credentials, the command fails before it prints anything
        token = secrets.token_urlsafe(32)
        with _listen(arguments.port) as listening, lifetime.handle_signals(), _token_file(token) as path:
            variables = _variables(listening, token, path)
            write_output(json.dumps(variables) if arguments.json else shell_lines(variables, CREDENTIAL_VARIABLES))
            if arguments.background:
                _detach()
            elif not arguments.json and sys.stderr is not None:
                print(_started_message(listening, arguments.seconds), file=sys.stderr, flush=True)
            close_output()  # so that a program that reads the output to its end does not wait for this process
            anyio.run(_serve, provider, AccessCheck(token, listening.getsockname()[1]), listening, lifetime)
    return DONE


async def _serve(provider: CachedProvider, access: AccessCheck, listening: socket.socket, lifetime: Lifetime) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(CredentialServer(provider, access).serve, listening)
        while not lifetime.is_over():  # noqa: ASYNC110 - there is no event for the end of a parent process
            await anyio.sleep(CHECK_INTERVAL)
        tasks.cancel_scope.cancel()


def _listen(port: int) -> socket.socket:
    try:
        return listen(port)
    except OSError as error:
        raise CommandError(f"unable to listen on port {port}: {os.strerror(error.errno or 0)}") from None


@contextmanager
def _token_file(token: str) -> Iterator[str]:
    """Write the token to a file that only this user can read, and remove it at the end.

    Some SDKs read the token from the file only, others from the variable only.
    """
    with ExitStack() as cleanup:
        try:
            path = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="anycreds-")), "token")  # mode 0700
            path.touch(mode=0o600)
            path.write_text(token, encoding="ascii")  # without a newline: some SDKs would send it, others reject it
        except OSError as error:  # as in a container with a read-only file system
            message = f"unable to write the token file: {error.strerror}; set TMPDIR to a writable directory"
            raise CommandError(message) from None
        yield str(path)


def _variables(listening: socket.socket, token: str, path: str) -> dict[str, str]:
    """Return the environment variables by which SDKs find this server."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path,
    }


def _started_message(listening: socket.socket, seconds: float | None) -> str:
    limit = "" if seconds is None else f", or after {seconds:g} s"
    port = listening.getsockname()[1]
    return f"anycreds serve: serving on 127.0.0.1:{port} until Control-C, or until the parent process ends{limit}"


def _open_standard_files() -> None:
    """Open the null device for each standard file that is closed, so that no socket gets its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number


def _detach() -> None:
    """Continue in a new session, out of reach of Control-C in the terminal. The calling process exits with success."""
    if os.fork():
        os._exit(DONE)  # without cleanup: the other process needs the files
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
