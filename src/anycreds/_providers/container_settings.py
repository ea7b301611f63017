"""Where the endpoint of a container is, and the token for it: from options, or from the environment. Never from both.

In each pair of them the first beats the second in the environment, as in every SDK; options that do are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._config.settings import Setting, first_set, from_argument
from .._core.errors import InvalidConfigurationError
from .._core.validation import InvalidValueError, check_text

VARIABLES = {
    "relative_uri": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "authorization_token": "AWS_CONTAINER_AUTHORIZATION_TOKEN",
}
PAIRS = (("relative_uri", "full_uri"), ("authorization_token_file", "authorization_token"))


def container_options(given: Mapping[str, Any], source: str) -> dict[str, Setting]:
    """Return the options that are given, by the names in ``VARIABLES``.

    ``source`` is the name of the provider. Raises ``InvalidConfigurationError`` for options that contradict each other.
    """
    settings = {name: from_argument(name, _path(given.get(name))) for name in VARIABLES}
    options = {name: setting for name, setting in settings.items() if setting is not None}
    try:
        _check_options(options)
    except InvalidValueError as error:
        raise InvalidConfigurationError(str(error), source=source) from None
    return options


def container_variables(environ: Mapping[str, str]) -> dict[str, Setting]:
    """Return what the environment says."""
    found = {name: first_set(environ, variable) for name, variable in VARIABLES.items()}
    return {name: setting for name, setting in found.items() if setting is not None}


def _path(path: Any) -> Any:
    return path.__fspath__() if isinstance(path, os.PathLike) else path


def _check_options(options: Mapping[str, Setting]) -> None:
    for name, setting in options.items():
        check_text(setting.value, field=f"option {name}")
    for pair in PAIRS:
        if options.keys() >= set(pair):
            raise InvalidValueError(f"options {pair[0]} and {pair[1]} exclude each other")
    if options and options.keys().isdisjoint(PAIRS[0]):
        raise InvalidValueError(f"option {next(iter(options))} is given, but neither full_uri nor relative_uri")
