"""Prompt for an MFA code on the terminal. Standard input and output are not used, because they may be redirected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .. import InvalidConfigurationError, RetrievalError
from .._system.threads import run_in_thread

_HINT = "run `anycreds export` in a terminal, or use a profile without mfa_serial"


async def prompt_for_mfa_code(serial_number: str) -> str:
    """Return the code that the user types. Raises a ``CredentialsError`` if there is no terminal, or no code.

    A daemon thread reads it, so that Control-C and the time limit of the prompt end the program at once.
    """
    return await run_in_thread(_read_code, serial_number)


def _read_code(serial_number: str) -> str:
    try:
        with _terminal() as (source, target):
            print(f"MFA code for {serial_number}: ", end="", file=target, flush=True)
            code = source.readline().strip()
    except OSError:
        message = f"an MFA code for {serial_number} is required, and there is no terminal to prompt for it"
        raise InvalidConfigurationError(message, hint=_HINT) from None
    if not code:
        raise RetrievalError(f"no MFA code was entered for {serial_number}")
    return code


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, TextIO]]:
    """Open the terminal that controls this process, for reading and for writing. Raises ``OSError`` if it has none."""
    source_path, target_path = ("/dev/tty", "/dev/tty") if os.name == "posix" else ("CONIN$", "CONOUT$")
    flags = os.O_RDWR | getattr(os, "O_NOCTTY", 0)
    with os.fdopen(os.open(source_path, flags)) as source, os.fdopen(os.open(target_path, flags), "w") as target:
        if hasattr(os, "tcgetpgrp") and os.tcgetpgrp(source.fileno()) != os.getpgrp():
            raise OSError("the system stops background processes that read from their terminal")
        yield source, target
