"""The tree of errors: what they say, and that each waiter can have its own."""

from __future__ import annotations

from typing import Any

import anycreds
from support.rows import each_row

EVERY = sorted(
    (
        value
        for value in vars(anycreds).values()
        if isinstance(value, type) and issubclass(value, anycreds.CredentialsError)
    ),
    key=lambda one: one.__name__,
)


def test_error_classes_say_what_a_chain_does() -> None:
    """The classes say what a chain does: go on, stop for settings, stop for a source."""
    assert len(EVERY) == 15
    assert issubclass(anycreds.MetadataUnreachableError, anycreds.NotConfiguredError)
    assert issubclass(anycreds.NoCredentialsError, anycreds.NotConfiguredError)
    for one in (anycreds.ConfigParseError, anycreds.ProfileNotFoundError, anycreds.ProfileLoopError):
        assert issubclass(one, anycreds.InvalidConfigurationError)
    assert issubclass(anycreds.ReentrantProviderError, anycreds.InvalidConfigurationError)
    kinds = (anycreds.ProviderTimeoutError, anycreds.MalformedResponseError, anycreds.ForbiddenEndpointError)
    for kind in (*kinds, anycreds.LoginRequiredError):
        assert issubclass(kind, anycreds.RetrievalError)
    assert not issubclass(anycreds.LifetimeTooShortError, anycreds.RetrievalError)


@each_row("kind", EVERY)
def test_every_error_takes_a_message_source_and_hint(kind: type[anycreds.CredentialsError]) -> None:
    """One positional message, the rest keywords; all three are in the text."""
    error = kind("it broke", source="EC2 instance metadata", hint="fix it")
    assert str(error).splitlines()[0] == "EC2 instance metadata: it broke (fix it)"
    assert (error.message, error.source, error.hint) == ("it broke", "EC2 instance metadata", "fix it")
    assert str(kind("it broke")) == "it broke"


@each_row("kind", EVERY)
def test_copies_have_all_but_the_traceback(kind: type[anycreds.CredentialsError]) -> None:
    """A copy for another waiter has every field, the cause and notes of its own, and no traceback yet."""
    extra: dict[str, Any] = {}
    if issubclass(kind, anycreds.RetrievalError):
        extra["status"] = 503
    if kind is anycreds.MalformedResponseError:
        extra["field"] = "Token"
    if kind is anycreds.NoCredentialsError:
        extra["attempts"] = (anycreds.ProviderAttempt("one", "no", 0.1, anycreds.NotConfiguredError("no")),)
    cause = KeyError("cause")
    try:
        raise kind("it broke", source="s", hint="h", **extra) from cause
    except anycreds.CredentialsError as caught:
        error = caught
    error.add_note("note")
    twin = error._copy()
    assert type(twin) is kind
    assert twin is not error
    assert str(twin) == str(error)
    assert {**vars(twin), "__notes__": None} == {**vars(error), "__notes__": None}
    assert twin.__cause__ is cause
    assert twin.__traceback__ is None
    assert twin.__notes__ == ["note"]
    assert twin.__notes__ is not error.__notes__


def test_no_credentials_lists_every_attempt() -> None:
    """The text has one line for each provider: its name, why, and how long."""
    attempts = (
        anycreds.ProviderAttempt("environment variables", "nothing is set", 0.0, anycreds.NotConfiguredError("x")),
        anycreds.ProviderAttempt("EC2 instance metadata", "silent", 1.0004, anycreds.MetadataUnreachableError("x")),
    )
    lines = str(anycreds.NoCredentialsError("none of 2", attempts=attempts)).splitlines()
    assert lines == [
        "none of 2",
        "  - environment variables: nothing is set [0 ms]",
        "  - EC2 instance metadata: silent [1000 ms]",
    ]
