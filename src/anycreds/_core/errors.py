"""The errors of this library, as one tree. The class of an error decides what a chain and a cache do with it.

CredentialsError
├── NotConfiguredError            nothing is configured for the provider: a chain continues with its next provider
│   ├── MetadataUnreachableError  EC2 metadata has never responded: this is probably not an EC2 instance
│   └── NoCredentialsError        no provider of a chain has anything configured; ``.attempts`` has one record each
├── InvalidConfigurationError     the configuration contradicts itself or cannot be read: a chain stops
│   ├── ConfigParseError          a line of a shared file cannot be read
│   ├── ProfileNotFoundError      a selected or referenced profile is in neither shared file
│   ├── ProfileLoopError          profiles reference each other as their source, in a loop
│   └── ReentrantProviderError    a provider came to wait for itself
├── RetrievalError                a source was called and did not return credentials: a chain stops
│   ├── ProviderTimeoutError      the source did not respond in time
│   ├── MalformedResponseError    the response does not contain valid credentials
│   ├── ForbiddenEndpointError    the source was not called, because credentials may not come from that address
│   └── LoginRequiredError        the user must sign in first; ``.command`` is what to run
└── LifetimeTooShortError         the credentials are valid, but for less than the requested ``min_ttl``

No message, and no attribute of these errors, contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    class _Common(TypedDict, total=False):
        """The keyword arguments of every error."""

        source: str | None
        hint: str | None

    class _Exchange(_Common, total=False):
        """The keyword arguments of an error about a response."""

        status: int | None
        code: str | None


class CredentialsError(Exception):
    """Base of every error that this library raises.

    Attributes:
        message: What failed, what was observed, and where the setting came from.
        source: The name of the provider, as in ``Credentials.source``; None if no provider is involved.
        hint: What to do next; None if there is nothing to suggest.

    """

    _cause: BaseException | None = None
    _source_was_called: bool = False
    """Whether a call of a source, which costs something, has led to the error. A cache then remembers it."""

    def __init__(self, message: str, *, source: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.source}: {self.message}" if self.source else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def _keep_cause(self, cause: BaseException) -> Self:
        """Set the cause, and keep it when this error leaves a provider; return this error.

        Only for an exception of the user's own code, or another ``CredentialsError``: the user needs it, and it holds
        nothing of ours. Frames of this library at the beginning of its traceback are removed.
        """
        frames = cause.__traceback__
        while frames is not None and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "anycreds":
            frames = frames.tb_next
        cause.__traceback__ = frames
        self._cause = cause
        self.__cause__: BaseException | None = cause
        self._source_was_called = self._source_was_called or getattr(cause, "_source_was_called", False)
        return self

    def _copy(self) -> Self:
        """Return an equal error that has no traceback yet, for one more waiter of the same failure.

        Raising one object in many tasks would grow its traceback with each. ``copy.copy`` calls the class with
        ``args`` only, loses ``__cause__`` and shares the list of notes.
        """
        twin = type(self).__new__(type(self), *self.args)
        twin.args = self.args
        twin.__dict__.update(self.__dict__)
        if notes := self.__dict__.get("__notes__"):
            twin.__notes__ = list(notes)
        twin.__cause__ = self.__cause__
        twin.__suppress_context__ = True
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle all but the traceback and a cause of the user's own, which may hold anything."""
        state = dict(self.__dict__)
        cause = state.pop("_cause", None)
        if isinstance(cause, CredentialsError):
            state |= {"_cause": cause, "__cause__": cause}
        return type(self), self.args, state


def strip_frames(error: BaseException) -> None:
    """Remove traceback, context and cause from an exception that leaves a provider, and from all exceptions in a group.

    The frames below hold requests, responses and credentials in their locals, and error reporters send locals away.
    The cause stays only where ``_keep_cause`` has set it.
    """
    error.__traceback__ = None
    error.__context__ = None
    error.__cause__ = error._cause if isinstance(error, CredentialsError) else None
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            strip_frames(part)


class NotConfiguredError(CredentialsError):
    """Nothing is configured for this provider, so a chain continues with the next one."""


class MetadataUnreachableError(NotConfiguredError):
    """The EC2 metadata service has never responded to this provider: this is probably not an EC2 instance."""

    _source_was_called = True


class ProviderAttempt(NamedTuple):
    """A provider of a chain that had nothing configured."""

    provider: str
    """The provider's name."""
    reason: str
    """Why it had no credentials, for display."""
    seconds: float
    """The duration of the call."""
    error: NotConfiguredError
    """The error that it raised."""


class NoCredentialsError(NotConfiguredError):
    """No provider of a chain had anything configured.

    Attributes:
        attempts: One ``ProviderAttempt`` for each provider, in the order of the chain.

    """

    def __init__(
        self,
        message: str = "no credentials found",
        *,
        attempts: tuple[ProviderAttempt, ...] = (),
        **common: Unpack[_Common],
    ) -> None:
        super().__init__(message, **common)
        self.attempts = attempts
        self._source_was_called = any(attempt.error._source_was_called for attempt in attempts)

    def __str__(self) -> str:
        lines = [super().__str__()]
        for attempt in self.attempts:
            reason = attempt.reason.replace("\n", "\n    ")
            lines.append(f"  - {attempt.provider}: {reason} [{attempt.seconds * 1000:.0f} ms]")
        return "\n".join(lines)


class InvalidConfigurationError(CredentialsError):
    """Options, environment variables or files are incomplete, unreadable, or contradict each other."""


class ConfigParseError(InvalidConfigurationError):
    """A line of a shared file cannot be read.

    Attributes:
        path: The path of the file; None if unknown.
        line: The number of the line, from 1; None if unknown.

    """

    def __init__(
        self, message: str, *, path: str | None = None, line: int | None = None, **common: Unpack[_Common]
    ) -> None:
        super().__init__(message, **common)
        self.path = path
        self.line = line


class ProfileNotFoundError(InvalidConfigurationError):
    """A selected or referenced profile is in neither shared file.

    Attributes:
        profile: The name of the profile; None if unknown.

    """

    def __init__(self, message: str, *, profile: str | None = None, **common: Unpack[_Common]) -> None:
        super().__init__(message, **common)
        self.profile = profile


class ProfileLoopError(InvalidConfigurationError):
    """Profiles reference each other as their source, in a loop."""


class ReentrantProviderError(InvalidConfigurationError):
    """A provider waits for itself, directly or through other providers."""


class RetrievalError(CredentialsError):
    """The source was called and did not return credentials.

    Attributes:
        status: The HTTP status of the response; None if there is none.
        code: The error code of AWS in the response; None if there is none.

    """

    _source_was_called = True

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, **common: Unpack[_Common]
    ) -> None:
        super().__init__(message, **common)
        self.status = status
        self.code = code


class ProviderTimeoutError(RetrievalError):
    """The source did not respond in time."""


class MalformedResponseError(RetrievalError):
    """The response of the source does not contain valid credentials.

    Attributes:
        field: The field at fault; None if it is not a single field.

    """

    def __init__(self, message: str, *, field: str | None = None, **common: Unpack[_Exchange]) -> None:
        super().__init__(message, **common)
        self.field = field


class ForbiddenEndpointError(RetrievalError):
    """Credentials may not come from this address, so the source was not called."""


class LoginRequiredError(RetrievalError):
    """The user must sign in first.

    Attributes:
        command: The command to run, such as ``aws sso login --profile dev``; None if unknown.

    """

    def __init__(self, message: str, *, command: str | None = None, **common: Unpack[_Exchange]) -> None:
        super().__init__(message, **common)
        self.command = command


class LifetimeTooShortError(CredentialsError):
    """The newest credentials are valid, but for less time than the requested ``min_ttl``."""
