"""AWS credentials for trio and asyncio programs.

A provider is an async callable: ``await provider()`` answers with a frozen ``Credentials`` or raises a
``CredentialsError``. Factories make providers, chains compose them, ``cached`` remembers and refreshes them.
"""

from ._cache import CachedProvider as CachedProvider
from ._chain import CredentialChain as CredentialChain
from ._credentials import Credentials as Credentials
from ._errors import Attempt as Attempt
from ._errors import ConfigParseError as ConfigParseError
from ._errors import CredentialsError as CredentialsError
from ._errors import ForbiddenEndpointError as ForbiddenEndpointError
from ._errors import InvalidConfigurationError as InvalidConfigurationError
from ._errors import LifetimeTooShortError as LifetimeTooShortError
from ._errors import MalformedResponseError as MalformedResponseError
from ._errors import MetadataUnreachableError as MetadataUnreachableError
from ._errors import NoCredentialsError as NoCredentialsError
from ._errors import NotConfiguredError as NotConfiguredError
from ._errors import ProfileLoopError as ProfileLoopError
from ._errors import ProfileNotFoundError as ProfileNotFoundError
from ._errors import ProviderTimeoutError as ProviderTimeoutError
from ._errors import ReentrantProviderError as ReentrantProviderError
from ._errors import RetrievalError as RetrievalError
from ._factories import cached as cached
from ._factories import create_credential_chain as create_credential_chain
from ._factories import from_container_metadata as from_container_metadata
from ._factories import from_default_chain as from_default_chain
from ._factories import from_env as from_env
from ._factories import from_http as from_http
from ._factories import from_ini as from_ini
from ._factories import from_instance_metadata as from_instance_metadata
from ._factories import from_process as from_process
from ._io import Clock as Clock
from ._keep_fresh import FreshCredentials as FreshCredentials
from ._provider import Caller as Caller
from ._provider import CredentialProvider as CredentialProvider
from ._provider import Provider as Provider
