"""Where the endpoint of a container is, and the token for it: from options, or from the environment. Never from both.

In each pair of them the first beats the second in the environment, as in every SDK; options that do are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._config.settings import Setting, first_set, from_argument
from .._core.credentials import InvalidReason, invalid_reason

VARIABLES = {
    "relative_uri": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "authorization_token": "AWS_CONTAINER_AUTHORIZATION_TOKEN",
}
PAIRS = (("relative_uri", "full_uri"), ("authorization_token_file", "authorization_token"))


def container_options(given: Mapping[str, Any]) -> dict[str, Setting] | InvalidReason:
    """Return what options of the program say, by the names in ``VARIABLES``, or what is wrong with them."""
    settings = {name: from_argument(name, _path(given.get(name))) for name in VARIABLES}
    options = {name: setting for name, setting in settings.items() if setting is not None}
    problem = _contradiction(options)
    return options if problem is None else InvalidReason(problem)


def container_variables(environ: Mapping[str, str]) -> dict[str, Setting]:
    """Return what the environment says."""
    found = {name: first_set(environ, variable) for name, variable in VARIABLES.items()}
    return {name: setting for name, setting in found.items() if setting is not None}


def _path(path: Any) -> Any:
    return path.__fspath__() if isinstance(path, os.PathLike) else path


def _contradiction(options: Mapping[str, Setting]) -> str | None:
    for name, setting in options.items():
        if problem := invalid_reason(setting.value):
            return f"option {name} {problem}"
    for pair in PAIRS:
        if options.keys() >= set(pair):
            return f"options {pair[0]} and {pair[1]} exclude each other"
    if options and options.keys().isdisjoint(PAIRS[0]):
        return f"option {next(iter(options))} is given, but neither full_uri nor relative_uri"
    return None
