"""The types of callbacks and protocols in public signatures."""

from __future__ import annotations

from ._cache.keep_fresh import KeepFresh as KeepFresh
from ._core.callbacks import MfaCodeProvider as MfaCodeProvider
from ._core.callbacks import RoleAssumer as RoleAssumer
from ._core.callbacks import TokenFunction as TokenFunction
from ._core.callbacks import WebIdentityAssumer as WebIdentityAssumer
from ._core.events import Observer as Observer
from ._core.frozen_credentials import FrozenCredentials as FrozenCredentials
from ._core.io import Clock as Clock
from ._core.provider import ContextFunction as ContextFunction
from ._core.provider import CredentialProvider as CredentialProvider
from ._providers.cognito.settings import IdentityCache as IdentityCache
from ._providers.cognito.settings import Login as Login
