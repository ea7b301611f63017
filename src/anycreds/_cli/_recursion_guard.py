"""A profile whose ``credential_process`` runs this program for the same profile, directly or through others.

Each process notes, in a variable that its commands inherit, which profile it is asked for. Who finds its own there
fails, and so all that wait for it do. What a failed command wrote is not shown, as it may be secret; so the one
in front says what the circle is, by reading the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from .. import CredentialsError, InvalidConfigurationError, RetrievalError
from .._config.locations import CONFIG_VARIABLE, CREDENTIALS_VARIABLE, select_profile
from .._config.parser.sections import display_name
from .._config.settings import Setting, first_set
from .._providers.process import NAME as PROCESS

VARIABLE = "_ANYCREDS_PROFILE_CHAIN"
# Each level is an interpreter that waits for the next one. Nobody nests so deep on purpose.
DEEPEST = 8
_HINT = "its credential_process must not run anycreds for the profile that it belongs to"
_OURS = re.compile(r"anycreds(\.exe)?", re.IGNORECASE)
_PRINTING = ("process", "export")


@contextmanager
def guarded(profile: str | None) -> Iterator[InvalidConfigurationError | None]:
    """Note, for the commands that are run in the ``with``, which profile is asked for; give what is wrong with that."""
    before = os.environ.get(VARIABLE)
    chain = before.split("\n") if before else []
    step = _step(profile)
    if step is None:
        yield None
        return
    if step in chain or len(chain) >= DEEPEST:
        names = [display_name(one.partition("\t")[0]) for one in (*chain, step)]
        message = f"profiles run anycreds for each other: {' -> '.join(names)}"
        yield InvalidConfigurationError(message, source=PROCESS, hint=_HINT)
        return
    os.environ[VARIABLE] = "\n".join((*chain, step))
    try:
        yield None
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _step(profile: str | None) -> str | None:
    """Return what stands for this question in the chain: a profile of certain files. None: no profile is asked."""
    choice = select_profile(profile, None, os.environ)
    if not choice.is_explicit and first_set(os.environ, "AWS_ACCESS_KEY_ID") is not None:
        return None  # a command that gets keys from elsewhere may well let us print them
    files = [os.environ.get(name, "") for name in (CONFIG_VARIABLE, CREDENTIALS_VARIABLE)]
    return "\t".join((choice.name.value, *files)).replace("\n", " ")


def explained(error: CredentialsError, profile: str | None) -> CredentialsError:
    """Return the error, or a better one if a command failed because it runs us for its own profile."""
    if not isinstance(error, RetrievalError) or error.source != PROCESS:
        return error
    circle = _circle(profile)
    if circle is None:
        return error
    return InvalidConfigurationError(f"profiles run anycreds for each other: {circle}", source=PROCESS, hint=_HINT)


def _circle(profile: str | None) -> str | None:
    from .._providers.profile.base_sources import ProcessBase
    from .._providers.profile.role_chain import Plan, plan_for
    from ._profiles import profiles

    found = profiles()
    told: list[str] = []
    seen: list[str] = []
    name: str | None = select_profile(profile, None, os.environ).name.value
    while found is not None and name is not None and len(seen) <= DEEPEST:
        if name in seen:
            return " -> ".join((*told, display_name(name)))
        seen.append(name)
        try:
            plan = plan_for(found, Setting(name, "the command"))
        except CredentialsError:
            return None
        if not isinstance(plan, Plan) or not isinstance(plan.base, ProcessBase):
            return None
        told.append(f"{display_name(name)} ({plan.base.command.origin})")
        name = asked_for(plan.base.command.value)
    return None


def asked_for(command: str) -> str | None:
    """Return the profile for which a command runs us; None: it does not, or in a way that cannot be told."""
    import shlex

    try:
        words = shlex.split(command)
    except ValueError:
        return None
    assigned = [word.partition("=")[2] for word in words if word.startswith("AWS_PROFILE=")]
    is_ours = any(_OURS.fullmatch(re.split(r"[\\/]", word)[-1]) for word in words)
    if not is_ours or not any(word in _PRINTING for word in words):
        return None
    given = [after for word, after in pairwise(words) if word == "--profile"]
    given += [word.partition("=")[2] for word in words if word.startswith("--profile=")]
    return (given or assigned or [select_profile(None, None, os.environ).name.value])[-1]
