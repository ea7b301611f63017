"""``ClientConfig``: what a program says about the calls to AWS's services that a provider makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Self

from .._core.credentials import InvalidReason
from .._core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from .._core.http import Transport

# JavaScript and botocore have no upper bound; beyond this a typing error is likelier than a wish.
_MOST_ATTEMPTS = 100


class ClientConfig:
    """How services are called: STS, IAM Identity Center (SSO portal and OIDC), sign-in, Cognito.

    - ``region``: the AWS region that is called (never for SSO, whose region is ``sso_region``)
    - ``endpoint_url``: the URL that replaces the hosts of all services that the provider calls
    - ``use_fips``, ``use_dualstack``: which kind of endpoint; None: as environment and profile say
    - ``http_client_factory``: a function without arguments that returns a new ``httpx.AsyncClient``, closed with the
      attempt; called once for each attempt that needs it, never for the metadata services on this machine's link
    - ``ssl_context``: the ``ssl.SSLContext`` for services, instead of one with the certificates of the system or of
      ``AWS_CA_BUNDLE``; a client of ``http_client_factory`` has its own
    - ``max_attempts``: how often one call is made at most, the first one counted; None: as environment and profile
      say, else 3

    All are optional, and the object is frozen. Follows the AWS "SDKs and Tools" reference, pages "AWS Region",
    "Service-specific endpoints", "Dual-stack and FIPS endpoints" and "Retry behavior".

    Raises ``InvalidConfigurationError`` for a value that cannot be right.
    """

    __slots__ = (
        "endpoint_url",
        "http_client_factory",
        "max_attempts",
        "region",
        "ssl_context",
        "use_dualstack",
        "use_fips",
    )

    region: str | None
    endpoint_url: str | None
    use_fips: bool | None
    use_dualstack: bool | None
    http_client_factory: Callable[[], Any] | None
    ssl_context: Any
    max_attempts: int | None

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        use_fips: bool | None = None,
        use_dualstack: bool | None = None,
        http_client_factory: Callable[[], Any] | None = None,
        ssl_context: Any = None,
        max_attempts: int | None = None,
    ) -> None:
        problem = self._fill(
            region=region,
            endpoint_url=endpoint_url,
            use_fips=use_fips,
            use_dualstack=use_dualstack,
            http_client_factory=http_client_factory,
            ssl_context=ssl_context,
            max_attempts=max_attempts,
        )
        if problem is not None:
            del region, endpoint_url, http_client_factory, ssl_context  # a traceback keeps this frame
            raise InvalidConfigurationError(problem)

    def _fill(self, **values: object) -> str | None:
        """Set every option, or say what is wrong with the first that is."""
        for name, given in values.items():
            is_blank = name in ("region", "endpoint_url") and isinstance(given, str) and not given.strip()
            value = None if is_blank else given  # blank means absent, as everywhere
            if value is not None and (problem := _problem(name, value)):
                return f"client_config: {name} {problem}"
            object.__setattr__(self, name, value)
        return None

    def _transport(self) -> Transport:
        from .._core.http import Transport

        return Transport(self.http_client_factory, self.ssl_context)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a ClientConfig is frozen; make another one to change {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a ClientConfig is frozen; make another one without {name}")

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, ClientConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        # Of an endpoint only that there is one: a path can be a secret.
        given = (name for name in self.__slots__ if getattr(self, name) is not None)
        shown = ("region", "use_fips", "use_dualstack", "max_attempts")
        return f"ClientConfig({', '.join(f'{n}={getattr(self, n)!r}' if n in shown else f'{n}=...' for n in given)})"


def _problem(name: str, value: object) -> str | InvalidReason | None:
    if name == "region":
        from .._wire.regions import region_problem

        return region_problem(value)
    if name == "endpoint_url":
        from .._wire.urls import Url, endpoint

        url = endpoint(value)  # type: ignore[arg-type]  # it says so if this is no text
        return None if isinstance(url, Url) else url
    if name in ("use_fips", "use_dualstack"):
        return None if isinstance(value, bool) else f"is not True or False but {type(value).__name__}"
    if name == "http_client_factory":
        return None if callable(value) else f"is not a function but {type(value).__name__}"
    if name == "ssl_context":
        usable = hasattr(value, "wrap_bio")  # without loading ssl, which programs with plain keys never need
        return None if usable else f"is not an ssl.SSLContext but {type(value).__name__}"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_ATTEMPTS:
        return f"is not a whole number from 1 to {_MOST_ATTEMPTS}"
    return None


def refuse_other(given: object) -> None:
    """Raise ``InvalidConfigurationError`` for what is given in the place of a ``ClientConfig`` and is none."""
    if given is not None and not isinstance(given, ClientConfig):
        kind = type(given).__name__
        raise InvalidConfigurationError(f"option client_config is not an anycreds.ClientConfig but {kind}")
