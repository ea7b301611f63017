"""``ClientConfig``: the user's options for the service calls that a provider makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core.errors import InvalidConfigurationError
from .._core.frozen import Frozen
from .._core.validation import InvalidValueError

# JavaScript and botocore have no upper bound; a higher value is most likely a typo.
MAX_ATTEMPTS_LIMIT = 100
# The options for which a blank text counts as None.
_TEXTS = ("region", "endpoint_url", "app_id")
# The limits of AWS.
MAX_APP_ID_LENGTH = 50
_APP_ID_SYMBOLS = "!#$%&'*+-.^_`|~"


class ClientConfig(Frozen):
    """Options for calls to AWS services: STS, IAM Identity Center (SSO portal and OIDC), AWS Sign-In, Cognito.

    All options are keyword-only and attributes of the same name. An option takes precedence over environment and
    profile, which decide if it is None, the default. A ``ClientConfig`` is immutable and hashable, and can be pickled
    unless it has an ``ssl_context``.

    Args:
        region: The AWS region to call, such as ``"eu-west-1"``; a blank text counts as None. Not used for SSO, whose
            region is ``sso_region``.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
        endpoint_url: The ``http://`` or ``https://`` URL that replaces the hosts of all services that the provider
            calls; a blank text counts as None.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
        use_fips: Whether to call endpoints that are validated for FIPS 140; False if nothing sets it.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
        use_dualstack: Whether to call endpoints that support IPv6 beside IPv4; False if nothing sets it.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
        http_client_factory: A function without arguments that returns a new ``AsyncClient`` of httpx or httpx2; None
            for clients of this library. It is called once for each attempt that needs a client, and the client is
            closed when the attempt ends. The metadata services at link-local addresses are never called with it.
        ssl_context: The ``ssl.SSLContext`` for the services; None for one with the certificates of ``AWS_CA_BUNDLE``,
            of the profile's ``ca_bundle`` or of the HTTP library. A client of ``http_client_factory`` has its own.
        max_attempts: How often one call is made at most, the first attempt included: 1 to 100; 3 if nothing sets it.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
        app_id: A name of your application, which AWS displays in notifications and logs: up to 50 letters, digits and
            characters of ``!#$%&'*+-.^_`|~``. It is sent as ``app/NAME`` in the ``User-Agent`` header.
            See https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html

    Raises:
        InvalidConfigurationError: An option has a value that cannot be used. The error names the option, not the value.

    """

    __slots__ = (
        "app_id",
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
    app_id: str | None

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
        app_id: str | None = None,
    ) -> None:
        invalid = self._set(
            region=region,
            endpoint_url=endpoint_url,
            use_fips=use_fips,
            use_dualstack=use_dualstack,
            http_client_factory=http_client_factory,
            ssl_context=ssl_context,
            max_attempts=max_attempts,
            app_id=app_id,
        )
        if invalid is not None:
            # Programs call this themselves, so no provider strips this frame from the traceback.
            del region, endpoint_url, app_id, http_client_factory, ssl_context
            raise InvalidConfigurationError(f"client_config: {invalid}")

    def _checked(self, name: str, value: object) -> object:
        if value is None or (name in _TEXTS and isinstance(value, str) and not value.strip()):
            return None
        _check_option(name, value)
        return value

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        given = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        if "ssl_context" in given:
            raise InvalidConfigurationError(
                "client_config cannot be pickled: it has an ssl_context",
                hint="set AWS_CA_BUNDLE in the other process, or pass an http_client_factory, which makes its own",
            )
        return _from_options, (given,)

    def __repr__(self) -> str:
        # The URL is not displayed, as its path may be a secret.
        displayed = ("region", "use_fips", "use_dualstack", "max_attempts", "app_id")
        given = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        return f"ClientConfig({', '.join(f'{n}={v!r}' if n in displayed else f'{n}=...' for n, v in given.items())})"


def _from_options(options: dict[str, Any]) -> ClientConfig:
    """Return the ``ClientConfig`` that was pickled; raise for an option that this version does not know."""
    unknown = options.keys() - ClientConfig.__slots__
    if unknown:
        del options  # as in the constructor
        raise InvalidConfigurationError(
            f"client_config was pickled by another version of anycreds: this one has no option {', '.join(unknown)}",
            hint="use the same version of anycreds in all processes",
        )
    return ClientConfig(**options)


def _check_option(name: str, value: object) -> None:
    """Raise ``InvalidValueError`` if an option cannot have this value."""
    if name in ("region", "endpoint_url"):
        from .._wire import endpoints, urls  # programs without these options do not need them

        _ = endpoints.check_region(value) if name == "region" else urls.parse_endpoint(value)
    elif name == "max_attempts":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS_LIMIT:
            raise InvalidValueError(f"is not a whole number from 1 to {MAX_ATTEMPTS_LIMIT}")
    elif name == "app_id":
        check_app_id(value)
    else:
        is_valid, expected = {
            "http_client_factory": (callable(value), "a function"),
            "ssl_context": (hasattr(value, "wrap_bio"), "an ssl.SSLContext"),  # ssl itself takes long to import
        }.get(name, (isinstance(value, bool), "True or False"))
        if not is_valid:
            raise InvalidValueError(f"is not {expected} but {type(value).__name__}")


def check_app_id(value: object) -> None:
    """Raise ``InvalidValueError`` if AWS does not accept this name of an application."""
    if not isinstance(value, str):
        raise InvalidValueError(f"is not text but {type(value).__name__}")
    if len(value) > MAX_APP_ID_LENGTH:
        raise InvalidValueError(f"has {len(value)} characters; at most {MAX_APP_ID_LENGTH} are allowed")
    if sanitize_app_id(value) != value:
        raise InvalidValueError(f"contains a character that is not a letter, a digit or one of {_APP_ID_SYMBOLS}")


def sanitize_app_id(value: str) -> str:
    """Return the name of an application with "-" for each character that AWS does not allow, as botocore does."""
    return "".join([c if (c.isascii() and c.isalnum()) or c in _APP_ID_SYMBOLS else "-" for c in value])


def check_client_config(value: object) -> None:
    """Raise ``InvalidConfigurationError`` if the option ``client_config`` is neither None nor a ``ClientConfig``."""
    if value is not None and not isinstance(value, ClientConfig):
        kind = type(value).__name__
        raise InvalidConfigurationError(f"option client_config is not an anycreds.ClientConfig but {kind}")
