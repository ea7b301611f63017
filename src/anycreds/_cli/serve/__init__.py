"""``serve``: serve credentials over HTTP on 127.0.0.1. All SDKs on the machine share one cached provider."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import anyio

from ... import CachedProvider, cached, from_default_chain
from .._common import DONE, CommandError, add_options, close_output, write_output
from .._formats import CREDENTIAL_VARIABLES, shell_lines
from .._mfa import prompt_for_mfa_code
from .._recursion_guard import recursion_guard
from .lifetime import CHECK_INTERVAL, Lifetime, is_running
from .responses import PATH, AccessCheck
from .server import CredentialServer, listen

DESCRIPTION = (
    "Serves the credentials of a profile, or of the default chain, on a port of 127.0.0.1, in the same way as ECS "
    "does in containers. A token protects them. Prints lines for a POSIX shell to evaluate; programs that are started "
    "from that shell then find the credentials, and share one refresh. Ends when the process that started it ends, or "
    'earlier. In a shell: eval "$(anycreds serve --background)". In every SDK, credentials of the profile "default" in '
    "the shared files take precedence over the endpoint. The region is not included. Exits with 1 if no credentials "
    "are found at the start, with 2 if the profile does not exist."
)

# Seconds. Keys without expiration may be replaced, too. Checking costs a variable, a file or a command.
RECHECK_AFTER = 5 * 60.0
MIN_PORT, MAX_PORT = 1024, 65535  # lower ports are reserved for the system
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd]?)")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    add_options(parser, "print the variables as one JSON object in one line, and errors as one JSON object")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="the port (default: any free port)")
    parser.add_argument("--for", type=_duration, dest="seconds", metavar="DURATION", help="end after 30s, 15m, 8h, 1d")
    if os.name != "posix":
        parser.set_defaults(parent=None, until_eof=False, background=False)
        return
    parser.add_argument("--parent", type=_process, metavar="PID", help="end when this process ends, not the parent")
    parser.add_argument("--until-eof", action="store_true", help="also end at the end of standard input")
    parser.add_argument(
        "--background", action="store_true", help="return when ready; the server ends when the calling shell ends"
    )


def run(arguments: Namespace) -> int:
    """Serve until the end. Return the exit status."""
    if arguments.background and arguments.until_eof:
        arguments.parser.error("--background closes standard input; remove --until-eof or --background")
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
                _detach(listening)
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


def _detach(listening: socket.socket) -> None:
    """Continue in a new session, out of reach of Control-C in the terminal. The calling process exits with success.

    Descriptors of the caller are closed: what waits for the end of a pipe or for a lock would wait for the server.
    """
    if os.fork():
        os._exit(DONE)  # without cleanup: the other process needs the files
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for descriptor in _open_descriptors():
        if descriptor > 2 and descriptor != listening.fileno():
            with suppress(OSError):  # the directory that was listed is closed already
                os.close(descriptor)


def _open_descriptors() -> list[int]:
    try:
        return [int(path.name) for path in Path("/dev/fd").iterdir()]
    except OSError:  # as in a chroot without /dev; the usual limit is 1024, others are too many to try
        return list(range(1024))


def _port(argument: str) -> int:
    if re.fullmatch("[0-9]{1,5}", argument) and MIN_PORT <= int(argument) <= MAX_PORT:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a port from {MIN_PORT} to {MAX_PORT}")


def _duration(argument: str) -> float:
    match = _DURATION.fullmatch(argument)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not seconds:
        raise ArgumentTypeError(f"{argument!r} is not a duration such as 90, 30s, 15m, 8h or 1d")
    return seconds


def _process(argument: str) -> int:
    if re.fullmatch("[1-9][0-9]{0,8}", argument) and is_running(int(argument)):
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not the id of a running process")
