"""Factory for chains of a program's own."""

from __future__ import annotations

from .._core.errors import InvalidConfigurationError
from .._core.provider import ContextFunction, CredentialProvider
from .._providers.chain import CredentialChain
from .factory_call import picklable
from .runtime import RUNTIME, as_provider


@picklable
def create_credential_chain(*providers: CredentialProvider | ContextFunction) -> CredentialChain:
    """Return a chain that calls providers in order until one has credentials.

    The chain continues only past a provider that has nothing configured (``NotConfiguredError``).

    Args:
        providers: Providers of this library, and async functions that return ``Credentials``, either without arguments
            or with the ``ClientContext`` as argument.

    Returns:
        A provider. Its method ``expire_after(lifetime)`` returns a chain whose credentials all have an expiration. It
        is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: There is no provider, or one is something else.
        NoCredentialsError: When awaited: no provider has anything configured.
        CredentialsError: When awaited: what a provider raises that is configured and fails.

    See:
        AWS SDK for JavaScript, "createCredentialChain()":
        https://docs.aws.amazon.com/AWSJavaScriptSDK/v3/latest/Package/-aws-sdk-credential-providers/

    """
    if not providers:
        raise InvalidConfigurationError(
            "create_credential_chain() was called without a provider; expected at least one"
        )
    return CredentialChain([as_provider(provider, RUNTIME) for provider in providers], RUNTIME)
