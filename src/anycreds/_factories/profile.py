"""The provider of a profile in the shared files, for several factories."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._config.client_config import check_client_config
from .._config.locations import NO_DEFAULT_PROFILE, select_profile
from .._core.errors import NotConfiguredError
from .._core.validation import check_timeout_and_retries
from .lazy import LazyProvider, profile_field

if TYPE_CHECKING:
    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from .._core.io import Io, Runtime
    from .._core.provider import ClientContext, Provider
    from .files import Files

    Only: TypeAlias = Literal["process", "sso", "login", "default-sso"]

_NAME, _SSO = "shared files", "SSO"
# What access keys in a profile need, whose files are read without a thread.
_MODULES = ("anycreds._factories.profile_build", "anycreds._system.files.snapshot")


def profile_provider(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    only: Only | None = None,
    client_config: ClientConfig | None = None,
    timeout: float | None = None,
    metadata_timeout: float | None = None,
    max_retries: int | None = None,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    **imds: Any,
) -> Provider:
    """Return the provider of a profile.

    Args:
        runtime: What it runs on.
        files: The shared files.
        profile: The name of the profile; None for the selected one.
        only: The one kind of setting to use; None for all that the profile has. ``"default-sso"`` uses the profile
            ``default`` only, and that only if SSO is its only source.
        client_config: How AWS services are called.
        timeout: Seconds for one exchange with a service and for a command; None for the default of each source.
        metadata_timeout: Seconds for one exchange with container and EC2 metadata; None for their default.
        max_retries: How often a transient failure of container and EC2 metadata is retried; None for their default.
        mfa_code_provider: See ``from_ini``.
        role_assumer: See ``from_ini``.
        role_assumer_with_web_identity: See ``from_ini``.
        imds: Options for EC2 metadata as the source of a role.

    """
    check_client_config(client_config)
    limits = {"timeout": metadata_timeout, "max_retries": max_retries}
    given = {name: value for name, value in limits.items() if value is not None}
    for seconds in (timeout, metadata_timeout) if given or timeout is not None else ():
        check_timeout_and_retries(1.0 if seconds is None else seconds, given.get("max_retries", 0), _NAME)
    name = _SSO if only == "default-sso" else _NAME
    build = partial(
        _build,
        runtime,
        files,
        name=name,
        profile=profile,
        only=only,
        client_config=client_config,
        timeout=timeout,
        mfa_code_provider=mfa_code_provider,
        role_assumer=role_assumer,
        role_assumer_with_web_identity=role_assumer_with_web_identity,
        metadata=given,
        imds={name: value for name, value in imds.items() if value is not None},
    )
    fields = profile_field(profile)
    if only in {None, "login"}:  # no other source calls a service in the client's region
        fields |= {"region"}
    return LazyProvider(
        name,
        runtime,
        build,
        may_prompt_user=mfa_code_provider is not None,
        context_fields=fields,
        modules=_MODULES if only is None else (),
        check=partial(_check_default_profile, files, profile),
    )


async def _check_default_profile(files: Files, profile: str | None, io: Io, context: ClientContext) -> None:
    """Raise ``NotConfiguredError`` if no profile is selected, and no file can have a profile ``default``."""
    is_explicit = select_profile(profile, context.profile, io.environ()).is_explicit
    if not is_explicit and await files.are_missing(io):
        raise NotConfiguredError(NO_DEFAULT_PROFILE, source="shared files")


def _build(runtime: Runtime, files: Files, **options: Any) -> Provider:
    from .profile_build import build_profile_provider

    return build_profile_provider(runtime, files(), **options)
