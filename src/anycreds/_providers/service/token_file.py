"""A token file: where it is, what it contains, and what is written to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from ..._config.locations import Location, resolve_path
from ..._config.settings import Setting
from ..._core.errors import ProviderTimeoutError
from ..._core.io import Io, PrivateFile, ReadFailure, Signature, WriteFailure
from ..._core.used_files import use_files
from ..._core.validation import InvalidValueError
from ..._wire.json import parse_object
from ..._wire.text import decode_utf8

Document: TypeAlias = Mapping[str, Any]

# Bytes. A token file has a few KiB. Parsing a much larger file would block the event loop for milliseconds.
MAX_FILE_SIZE = 64 * 1024
# Seconds until an unreadable file is read again: the AWS CLI and JavaScript truncate the file before they write it.
_PARTIAL_WRITE_DELAY = 0.05


class TokenFile(NamedTuple):
    """The content of a token file. Its repr does not show it."""

    document: Document
    is_accessible_to_others: bool
    signature: Signature

    def __repr__(self) -> str:
        return "TokenFile()"


def token_location(io: Io, directory: Setting, name: str, source: str) -> Location:
    """Return the location of a token file. A leading ``~`` in the directory is the home directory."""
    path = Setting(f"{directory.value.rstrip('/')}/{name}", directory.origin)
    return resolve_path(path, io.environ(), io.home_directory, source)


async def read_token_file(io: Io, file: Location) -> TokenFile | None:
    """Return the content of a token file; None if there is no file. An ``InvalidValueError`` does not name the file."""
    try:
        return await _read_once(io, file)
    except InvalidValueError:
        await io.sleep(_PARTIAL_WRITE_DELAY)
    return await _read_once(io, file)


async def _read_once(io: Io, file: Location) -> TokenFile | None:
    content = await io.read_private(file.path, MAX_FILE_SIZE)
    if isinstance(content, ReadFailure):
        if content.is_missing:
            return None
        raise InvalidValueError(content.detail)
    use_files([(file.path, content.signature)])
    document = parse_object(decode_utf8(content.content))
    return TokenFile(document, content.is_accessible_to_others, content.signature)


async def write_token_file(
    io: Io, file: Location, document: Document, replaces: Signature | None
) -> WriteFailure | None:
    """Replace a version of a token file. Return why it could not be written; None if it was.

    The file is read again afterwards, so that its new version does not count as a change by another program.
    """
    if replaces is None:
        return WriteFailure("could not be read, so it is not replaced")
    try:
        content = json.dumps(document, indent=2, allow_nan=False).encode()
        if len(content) > MAX_FILE_SIZE:  # it had fewer bytes when it was read, without indentation or escapes
            content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return WriteFailure("would be too large to be read again")
    except ValueError:
        return WriteFailure("contains an infinite number, which cannot be written as JSON")
    failure = await io.write_private(file.path, content, replaces)
    if failure is None:
        with suppress(ProviderTimeoutError):  # the token is written, whatever a disk does now
            written = await io.read_private(file.path, MAX_FILE_SIZE)
            if isinstance(written, PrivateFile) and written.content == content:
                use_files([(file.path, written.signature)])
    return failure
