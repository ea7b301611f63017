"""AWS credentials for trio and asyncio programs.

A provider is an async callable: ``await provider()`` answers with a frozen ``Credentials`` or raises a
``CredentialsError``. Factories make providers, chains compose them, ``cached`` remembers and refreshes them.
"""

from ._cache.keep_fresh import FreshCredentials as FreshCredentials
from ._cache.provider import CachedProvider as CachedProvider
from ._config.client_config import ClientConfig as ClientConfig
from ._core.credentials import Credentials as Credentials
from ._core.errors import ConfigParseError as ConfigParseError
from ._core.errors import CredentialsError as CredentialsError
from ._core.errors import ForbiddenEndpointError as ForbiddenEndpointError
from ._core.errors import InvalidConfigurationError as InvalidConfigurationError
from ._core.errors import LifetimeTooShortError as LifetimeTooShortError
from ._core.errors import LoginRequiredError as LoginRequiredError
from ._core.errors import MalformedResponseError as MalformedResponseError
from ._core.errors import MetadataUnreachableError as MetadataUnreachableError
from ._core.errors import NoCredentialsError as NoCredentialsError
from ._core.errors import NotConfiguredError as NotConfiguredError
from ._core.errors import ProfileLoopError as ProfileLoopError
from ._core.errors import ProfileNotFoundError as ProfileNotFoundError
from ._core.errors import ProviderAttempt as ProviderAttempt
from ._core.errors import ProviderTimeoutError as ProviderTimeoutError
from ._core.errors import ReentrantProviderError as ReentrantProviderError
from ._core.errors import RetrievalError as RetrievalError
from ._core.io import Clock as Clock
from ._core.provider import ClientContext as ClientContext
from ._core.provider import CredentialProvider as CredentialProvider
from ._core.provider import Provider as Provider
from ._factories.chains import cached as cached
from ._factories.chains import create_credential_chain as create_credential_chain
from ._factories.chains import from_default_chain as from_default_chain
from ._factories.local import from_env as from_env
from ._factories.local import from_ini as from_ini
from ._factories.local import from_process as from_process
from ._factories.metadata import from_container_metadata as from_container_metadata
from ._factories.metadata import from_http as from_http
from ._factories.metadata import from_instance_metadata as from_instance_metadata
from ._factories.sign_in import from_cognito_identity as from_cognito_identity
from ._factories.sign_in import from_cognito_identity_pool as from_cognito_identity_pool
from ._factories.sign_in import from_login_credentials as from_login_credentials
from ._factories.sign_in import from_sso as from_sso
from ._factories.sts import from_temporary_credentials as from_temporary_credentials
from ._factories.sts import from_token_file as from_token_file
from ._factories.sts import from_web_token as from_web_token
from ._providers.chain import CredentialChain as CredentialChain

__version__ = "0.1.0"
