"""What can go wrong, as one tree. The class of an error decides what a chain and a cache do with it.

CredentialsError
├── NotConfiguredError            nothing to find here: a chain goes on to its next provider
│   ├── MetadataUnreachableError  EC2 metadata never answered: this is probably not an EC2 instance
│   └── NoCredentialsError        every provider of a chain had nothing; ``.attempts`` says why, one by one
├── InvalidConfigurationError     what is configured contradicts itself or cannot be read: a chain stops
│   ├── ConfigParseError          a line of a shared file cannot be read
│   ├── ProfileNotFoundError      a profile that is named is in neither file
│   ├── ProfileLoopError          profiles name each other as their source, in a circle
│   └── ReentrantProviderError    a provider came to wait for itself
├── RetrievalError                a source was asked and did not answer with credentials: a chain stops
│   ├── ProviderTimeoutError      it did not answer in time
│   ├── MalformedResponseError    it answered with something that is not a set of credentials
│   ├── ForbiddenEndpointError    it was not asked, because credentials may not come from that address
│   └── LoginRequiredError        a person has to sign in first; ``.command`` is what to run
└── LifetimeTooShortError         the set is valid, but not for as long as was asked

No message, and nothing else on these errors, may hold a secret.
"""

from __future__ import annotations

from typing import NamedTuple, Self


class CredentialsError(Exception):
    """Base of every error that this library raises.

    ``message`` says what was asked, what came and where the setting came from. ``hint`` says what to do next.
    ``source`` is the name of the provider, as in ``Credentials.source``.
    """

    def __init__(self, message: str, *, source: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.source}: {self.message}" if self.source else self.message
        return f"{text} ({self.hint})" if self.hint else text

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


class NotConfiguredError(CredentialsError):
    """Nothing is configured for this provider, so a chain goes on to the next one."""


class MetadataUnreachableError(NotConfiguredError):
    """The EC2 metadata service did not answer and never has: this is probably not an EC2 instance."""


class ProviderAttempt(NamedTuple):
    """One provider of a chain that was asked in vain."""

    provider: str
    """The provider's name."""
    reason: str
    """Why it had no credentials, for people."""
    seconds: float
    """How long it took to find out."""
    error: NotConfiguredError
    """What it raised."""


class NoCredentialsError(NotConfiguredError):
    """No provider of a chain had anything configured. ``attempts`` has one record for each, in order."""

    def __init__(
        self,
        message: str = "no credentials found",
        *,
        attempts: tuple[ProviderAttempt, ...] = (),
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.attempts = attempts

    def __str__(self) -> str:
        lines = [super().__str__()]
        for attempt in self.attempts:
            reason = attempt.reason.replace("\n", "\n    ")
            lines.append(f"  - {attempt.provider}: {reason} [{attempt.seconds * 1000:.0f} ms]")
        return "\n".join(lines)


class InvalidConfigurationError(CredentialsError):
    """Options, variables or files are incomplete, unreadable or contradict each other."""


class ConfigParseError(InvalidConfigurationError):
    """A line of a shared file cannot be read. ``path`` and ``line`` (from 1) say where, if that is known."""

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        line: int | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.path = path
        self.line = line


class ProfileNotFoundError(InvalidConfigurationError):
    """A profile that somebody named is in neither of the shared files. ``profile`` is its name."""

    def __init__(
        self, message: str, *, profile: str | None = None, source: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.profile = profile


class ProfileLoopError(InvalidConfigurationError):
    """Profiles name each other as their source, in a circle."""


class ReentrantProviderError(InvalidConfigurationError):
    """A provider waits, directly or through others, for itself."""


class RetrievalError(CredentialsError):
    """The source was asked and did not give credentials.

    ``status`` is the HTTP status of the answer and ``code`` the error code that AWS gave, where there are such.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.status = status
        self.code = code


class ProviderTimeoutError(RetrievalError):
    """The source did not answer within its time."""


class MalformedResponseError(RetrievalError):
    """The source answered with something that is not a set of credentials. ``field`` names the part, if one."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        status: int | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, status=status, source=source, hint=hint)
        self.field = field


class ForbiddenEndpointError(RetrievalError):
    """Credentials may not be fetched from this address, so nothing was sent to it."""


class LoginRequiredError(RetrievalError):
    """A person has to sign in first. ``command`` is what to run, such as ``aws sso login --profile dev``."""

    def __init__(
        self,
        message: str,
        *,
        command: str | None = None,
        status: int | None = None,
        code: str | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, source=source, hint=hint)
        self.command = command


class LifetimeTooShortError(CredentialsError):
    """The newest set that can be had is valid, but for less time than ``min_ttl`` asked."""
