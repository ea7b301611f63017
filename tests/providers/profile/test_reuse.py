"""A profile's role chain and providers are kept while they would be the same, because providers cache things."""

from __future__ import annotations

import pytest

from anycreds import ClientContext, ProfileNotFoundError
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.provider import Provider
from anycreds._factories.profile_build import CONSTRUCTORS
from anycreds._providers.profile.provider import ProfileProvider
from anycreds._providers.profile.role_chain import RoleChain, resolve_role_chain
from support.fake_io import FakeIo, FakeRuntime, run

CONFIG, CREDENTIALS = "/home/user/.aws/config", "/home/user/.aws/credentials"
KEYS = "aws_access_key_id = AKID{0}\naws_secret_access_key = canary{0}\n"
BASE = "[profile x]\n" + KEYS.format("ONE")


class RecordingProfileProvider(ProfileProvider):
    """Records the providers that it has built, and how often it has resolved a role chain."""

    __slots__ = ("built", "resolved")

    def __init__(self, io: FakeIo, *, ignore_cache: bool = False) -> None:
        files = SharedFiles(FileOptions(ignore_cache=ignore_cache))
        self.built: list[Provider] = []
        self.resolved = 0
        construct = CONSTRUCTORS.static

        def static(*arguments: object) -> Provider:
            self.built.append(construct(*arguments))
            return self.built[-1]

        def resolve(*arguments: object) -> RoleChain:
            self.resolved += 1
            return resolve_role_chain(*arguments)  # type: ignore[arg-type]

        constructors = CONSTRUCTORS._replace(static=static)
        super().__init__(FakeRuntime(io), files=files, constructors=constructors, resolve=resolve)


def fetch(provider: Provider, io: FakeIo, profile: str = "x") -> str:
    """Return the access key id that the provider returns for a client with this profile."""
    return run(provider._fetch(io, ClientContext(profile=profile))).access_key_id


def test_unchanged_files_resolve_the_profile_once() -> None:
    """While both files are unchanged, neither the role chain is resolved nor a provider built again."""
    io = FakeIo(files={CONFIG: BASE.encode(), CREDENTIALS: b"[y]\n"})
    provider = RecordingProfileProvider(io)
    assert [fetch(provider, io) for _ in range(3)] == ["AKIDONE"] * 3
    assert (provider.resolved, len(provider.built)) == (1, 1)


def test_the_same_profiles_are_returned_while_files_are_unchanged() -> None:
    """``SharedFiles.profiles`` returns the same object until one of the two files changes."""
    io = FakeIo(files={CONFIG: BASE.encode(), CREDENTIALS: b"[y]\n"})
    files = SharedFiles(FileOptions())
    first = run(files.profiles(io))
    assert run(files.profiles(io)) is first
    for path in (CONFIG, CREDENTIALS):
        before = run(files.profiles(io))
        content = io.files[path]
        assert isinstance(content, bytes)
        io.files[path] = content + b"# changed\n"
        assert run(files.profiles(io)) is not before


@pytest.mark.parametrize(
    "unrelated",
    ["[profile other]\nregion = eu-west-1\n", "# a comment\n", "[sso-session corp]\nsso_region = eu-west-1\n"],
    ids=["profile", "comment", "sso-session"],
)
@pytest.mark.parametrize("ignore_cache", [False, True])
def test_an_unrelated_change_keeps_the_provider(unrelated: str, ignore_cache: bool) -> None:
    """After a change of another section the chain is resolved again, is equal, and its providers stay."""
    io = FakeIo(files={CONFIG: BASE.encode()})
    provider = RecordingProfileProvider(io, ignore_cache=ignore_cache)
    fetch(provider, io)
    io.files[CONFIG] = (BASE + unrelated).encode()
    assert fetch(provider, io) == "AKIDONE"
    assert (provider.resolved, len(provider.built)) == (2, 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("[profile x]\n" + KEYS.format("TWO"), "AKIDTWO"),
        (BASE + "region = eu-west-1\n", "AKIDONE"),
        (BASE + "services = s\n[services s]\nsts =\n  endpoint_url = https://sts.example.com\n", "AKIDONE"),
    ],
    ids=["keys", "region", "services"],
)
def test_a_relevant_change_builds_new_providers(change: str, expected: str) -> None:
    """After a change of the keys, or of settings of service calls in the profile, its providers are built again."""
    io = FakeIo(files={CONFIG: BASE.encode()})
    provider = RecordingProfileProvider(io)
    fetch(provider, io)
    io.files[CONFIG] = change.encode()
    assert fetch(provider, io) == expected
    assert len(provider.built) == 2


def test_each_client_profile_has_its_own_provider() -> None:
    """Clients with different profiles take turns without building providers again."""
    io = FakeIo(files={CONFIG: (BASE + "[profile y]\n" + KEYS.format("Y")).encode()})
    provider = RecordingProfileProvider(io)
    assert [fetch(provider, io, name) for name in ("x", "y", "x", "y")] == ["AKIDONE", "AKIDY"] * 2
    assert len(provider.built) == 2


def test_another_selected_profile_builds_its_provider() -> None:
    """After a change of ``AWS_PROFILE`` the credentials are those of the newly selected profile."""
    io = FakeIo(environ={"AWS_PROFILE": "x"}, files={CONFIG: (BASE + "[profile y]\n" + KEYS.format("Y")).encode()})
    provider = RecordingProfileProvider(io)
    assert run(provider._fetch(io, ClientContext())).access_key_id == "AKIDONE"
    io.variables["AWS_PROFILE"] = "y"
    assert run(provider._fetch(io, ClientContext())).access_key_id == "AKIDY"


def test_an_error_keeps_nothing() -> None:
    """A profile that disappears is an error at once, and its return gives credentials again."""
    io = FakeIo(files={CONFIG: BASE.encode()})
    provider = RecordingProfileProvider(io)
    fetch(provider, io)
    io.files[CONFIG] = b""
    with pytest.raises(ProfileNotFoundError):
        fetch(provider, io)
    io.files[CONFIG] = BASE.encode()
    assert fetch(provider, io) == "AKIDONE"
