"""The tree of errors: what they say, and that each waiter can have its own."""

from __future__ import annotations

import pickle
import threading
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


def whole(kind: type[anycreds.CredentialsError]) -> anycreds.CredentialsError:
    """Return an error with all attributes of its class."""
    attempt = anycreds.ProviderAttempt("one", "no", 0.1, anycreds.NotConfiguredError("no"))
    values = {"status": 503, "code": "Busy", "field": "Token", "command": "aws sso login", "attempts": (attempt,)}
    values |= {"path": "/config", "line": 3, "profile": "dev"}
    names = vars(kind("it broke"))
    return kind("it broke", source="s", hint="h", **{name: values[name] for name in values if name in names})


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
    cause = KeyError("cause")
    try:
        raise whole(kind) from cause
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


def described(error: BaseException) -> dict[str, Any]:
    """Return the attributes of an error, with nested errors as texts: errors are equal only to themselves."""
    return {name: repr(value) for name, value in vars(error).items()}


@each_row("kind", EVERY)
def test_errors_are_pickled(kind: type[anycreds.CredentialsError]) -> None:
    """An error that is sent to another process has its class, text, attributes and notes there."""
    error = whole(kind)
    error.add_note("note")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        found = pickle.loads(pickle.dumps(error, protocol))
        assert (type(found), str(found), described(found)) == (kind, str(error), described(error))


def test_cause_is_pickled_if_it_is_an_error_of_the_library() -> None:
    """A cause of this library is sent along; another exception, which may hold a secret or a socket, is not."""
    inner = anycreds.LoginRequiredError("expired", command="aws sso login")
    found = pickle.loads(pickle.dumps(anycreds.RetrievalError("no source")._keep_cause(inner)))
    assert str(found.__cause__) == str(found._cause) == "expired"
    assert found.__cause__.command == "aws sso login"
    error = anycreds.RetrievalError("the function failed")._keep_cause(KeyError("a password", threading.Lock()))
    data = pickle.dumps(error)
    assert b"a password" not in data
    assert pickle.loads(data).__cause__ is None


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
