"""Where services are called: the order of regions, endpoints of every kind, and no host name made of rubbish."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds import ClientConfig, InvalidConfigurationError
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.errors import strip_frames
from anycreds._core.provider import ClientContext
from anycreds._providers.service import endpoint_resolution
from anycreds._providers.service.endpoint_resolution import SERVICE_NAMES, EndpointResolver, ResolvedEndpoint
from anycreds._wire.endpoints import Service
from support.fake_io import FakeIo, run

WHO = "somebody"
CONFIG = "/home/user/.aws/config"
FILE = "~/.aws/config"
RUBBISH = [
    "evil.com/", "a.b", "x" * 64, "\u00e9", "us\u2024east", "a/b", "a\\b", "a@b", "a:1", "a?b", "a#b", "-a", "a-",
    "a b", "us-east-1\n", "us_east_1", "%2e", "a\x00", "[::1]",
]  # fmt: skip


def outcome(
    config: ClientConfig | None = None,
    *,
    profile: str = "",
    environ: dict[str, str] | None = None,
    client_region: str | None = None,
    service: Service = "sts",
    endpoints: EndpointResolver | None = None,
    profile_first: bool = True,
    **more: Any,
) -> ResolvedEndpoint | InvalidConfigurationError:
    """Find the place of a service; ``profile`` has the lines of the profile ``default``."""
    io = FakeIo(environ=environ, files={CONFIG: f"[default]\n{profile}\n".encode()})
    resolver = endpoints or EndpointResolver(config, profile_first=profile_first)
    try:
        return run(resolver.resolve(io, ClientContext(region=client_region), service, WHO, **more))
    except InvalidConfigurationError as error:
        strip_frames(error)  # as ``Provider._fetch`` does
        return error


def resolved(config: ClientConfig | None = None, **more: Any) -> ResolvedEndpoint:
    """Return the place."""
    found = outcome(config, **more)
    assert isinstance(found, ResolvedEndpoint)
    return found


def service_error(config: ClientConfig | None = None, **more: Any) -> str:
    """Return what the error says."""
    error = outcome(config, **more)
    assert type(error) is InvalidConfigurationError
    return str(error)


# --- region


REGIONS = {
    "option": ("eu-west-1", "option client_config.region"),
    "profile": ("eu-west-2", f"{FILE}:2"),
    "client": ("eu-west-3", "the region of the client"),
    "AWS_REGION": ("eu-north-1", "AWS_REGION"),
    "AWS_DEFAULT_REGION": ("eu-south-1", "AWS_DEFAULT_REGION"),
    "nothing": ("us-east-1", "the default"),
}
OF_A_PROFILE = ("option", "profile", "client", "AWS_REGION", "AWS_DEFAULT_REGION", "nothing")
OF_NO_PROFILE = ("option", "client", "AWS_REGION", "AWS_DEFAULT_REGION", "profile", "nothing")


def set_in(*names: str) -> dict[str, Any]:
    """Return arguments for ``resolved`` that set the region in these settings."""
    variables = ("AWS_REGION", "AWS_DEFAULT_REGION")
    return {
        "config": ClientConfig(region=REGIONS["option"][0]) if "option" in names else None,
        "profile": f"region = {REGIONS['profile'][0]}" if "profile" in names else "",
        "client_region": REGIONS["client"][0] if "client" in names else None,
        "environ": {name: REGIONS[name][0] for name in variables if name in names},
    }


@pytest.mark.parametrize(
    ("order", "first"),
    [(order, first) for order in (OF_A_PROFILE, OF_NO_PROFILE) for first in range(len(order))],
    ids=[f"{of}-{first}" for of in ("of a profile", "of no profile") for first in range(len(OF_A_PROFILE))],
)
def test_order_of_regions(order: tuple[str, ...], first: int) -> None:
    """The first setting in the documented order wins, and the endpoint names it as its origin."""
    region, origin = REGIONS[order[first]]
    found = resolved(**set_in(*order[first:]), profile_first=order is OF_A_PROFILE)
    assert (found.region, str(found.base)) == (region, f"https://sts.{region}.amazonaws.com")
    assert found.origin == f"region {region}, {origin}"


@pytest.mark.parametrize("service", ["sso", "sso-oidc", "signin"])
@pytest.mark.parametrize("profile_first", [True, False])
def test_required_region_precedes_all_settings(service: Service, profile_first: bool) -> None:
    """A service that can be called in one region only is called there, even if an option sets another region."""
    required = Setting("ap-south-1", "sso_region")
    found = resolved(**set_in(*OF_A_PROFILE), service=service, required_region=required, profile_first=profile_first)
    assert found.region == "ap-south-1"
    assert "sso_region" in found.origin


@pytest.mark.parametrize("first", range(len(OF_NO_PROFILE)))
def test_only_the_option_precedes_a_fallback_region(first: int) -> None:
    """The region of an identity pool precedes all settings except ``client_config.region``."""
    fallback = Setting("ap-south-1", "identity_pool_id")
    found = resolved(**set_in(*OF_NO_PROFILE[first:]), service="cognito-identity", fallback_region=fallback)
    region = "eu-west-1" if first == 0 else "ap-south-1"
    assert (found.region, found.base.host) == (region, f"cognito-identity.{region}.amazonaws.com")


def test_blank_regions_are_not_set() -> None:
    """Blanks in profile, client and variables leave the word to the next source."""
    found = resolved(
        profile="region =", client_region=" ", environ={"AWS_REGION": "\t", "AWS_DEFAULT_REGION": "eu-south-1"}
    )
    assert found.region == "eu-south-1"


def no_host(*arguments: object, **options: object) -> None:
    """Stand in for what makes host names."""
    raise AssertionError("a host name was made")


@pytest.mark.parametrize("region", RUBBISH)
def test_rubbish_is_no_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not one label of a DNS name is an error with its origin, before any host name is made of it."""
    monkeypatch.setattr(endpoint_resolution, "endpoint_for", no_host)
    everywhere: dict[str, dict[str, Any]] = {
        "the region of the client": {"client_region": region},
        "AWS_REGION": {"environ": {"AWS_REGION": region}},
        "AWS_DEFAULT_REGION": {"environ": {"AWS_DEFAULT_REGION": region}},
        "sso_region": {"required_region": Setting(region, "sso_region")},
        "identity_pool_id": {"fallback_region": Setting(region, "identity_pool_id")},
        "client_config": {"environ": {"AWS_REGION": region, "AWS_ENDPOINT_URL": "http://127.0.0.1"}},
    }
    for origin, more in everywhere.items():
        said = service_error(**more)
        assert said.startswith(f"{WHO}: the region from ")
        assert origin in said or origin == "client_config"
        assert region not in said


@pytest.mark.parametrize("region", ["evil.com/", "a.b", "x" * 64, "\u00e9"])
def test_rubbish_in_the_profile_is_no_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a region in the profile: the error has file and line."""
    monkeypatch.setattr(endpoint_resolution, "endpoint_for", no_host)
    assert f"the region from {FILE}:2 cannot be a part of a host name" in service_error(profile=f"region = {region}")


@pytest.mark.parametrize("region", RUBBISH)
def test_rubbish_that_is_beaten_does_not_matter(region: str) -> None:
    """A region that does not count is not read."""
    assert (
        resolved(ClientConfig(region="eu-west-1"), client_region=region, environ={"AWS_REGION": region}).region
        == "eu-west-1"
    )


def test_the_last_region_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """That us-east-1 is called, because nobody says a region, is worth one warning, however often and for whatever."""
    endpoints = EndpointResolver()
    for service in SERVICE_NAMES:
        assert resolved(endpoints=endpoints, service=service).region == "us-east-1"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.endpoints", logging.WARNING)
    assert "us-east-1" in record.getMessage()
    assert WHO in record.getMessage()


# --- whose profile


def test_whose_profile_counts() -> None:
    """The profile of the argument beats the caller's, that AWS_PROFILE, and that the default."""
    config = (
        "[default]\nregion=eu-a-1\n[profile x]\nregion=eu-b-1\n[profile y]\nregion=eu-c-1\n[profile z]\nregion=eu-d-1"
    )
    files = {CONFIG: config.encode()}
    for argument, caller, variable, region in (
        (None, None, None, "eu-a-1"),
        (None, None, "x", "eu-b-1"),
        (None, "y", "x", "eu-c-1"),
        ("z", "y", "x", "eu-d-1"),
    ):
        io = FakeIo(environ={} if variable is None else {"AWS_PROFILE": variable}, files=files)
        found = run(EndpointResolver(profile=argument).resolve(io, ClientContext(profile=caller), "sts", WHO))
        assert found.region == region


def test_other_files_and_none() -> None:
    """The files can be others; and with a view of the profile none are read."""
    io = FakeIo(files={"/etc/aws": b"[default]\nregion = eu-west-1\n", CONFIG: b"\xff"})
    files = SharedFiles(FileOptions(config_filepath="/etc/aws"))
    found = run(EndpointResolver(files=files).resolve(io, ClientContext(), "sts", WHO))
    assert found.region == "eu-west-1"
    io = FakeIo(environ={"AWS_REGION": "eu-west-2"}, files={CONFIG: b"\xff"})
    found = run(EndpointResolver(view=ProfileView()).resolve(io, ClientContext(profile="missing"), "sts", WHO))
    assert (found.region, io.reads) == ("eu-west-2", [])


@pytest.mark.parametrize("content", [b"[default]\nregion = \xff", b"[default]\nrubbish\n"])
def test_files_that_cannot_be_read(content: bytes) -> None:
    """A file or profile that cannot be read is the error, though an option has the region."""
    io = FakeIo(files={CONFIG: content})
    with pytest.raises(InvalidConfigurationError, match=f"{FILE}:"):
        run(EndpointResolver(ClientConfig(region="eu-west-1")).resolve(io, ClientContext(), "sts", WHO))


# --- kinds of endpoints


FIPS, DUALSTACK = "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"


@pytest.mark.parametrize(
    ("option", "variable", "key", "on"),
    [
        (None, None, None, False),
        (None, None, "true", True),
        (None, "false", "true", False),
        (None, "true", "false", True),
        (False, "true", "true", False),
        (True, "false", "false", True),
        (False, "rubbish", "rubbish", False),
    ],
)
@pytest.mark.parametrize("name", ["use_fips", "use_dualstack"])
def test_kinds(name: str, option: bool | None, variable: str | None, key: str | None, on: bool) -> None:
    """The option beats the variable, that the profile, and an option False beats a variable true."""
    switch, host = {
        "use_fips": (FIPS, "sts-fips.us-east-2.amazonaws.com"),
        "use_dualstack": (DUALSTACK, "sts.us-east-2.api.aws"),
    }[name]
    found = resolved(
        ClientConfig(region="us-east-2", **{name: option}),  # type: ignore[arg-type]
        environ={} if variable is None else {switch: variable},
        profile="" if key is None else f"{name}_endpoint = {key}",
    )
    assert found.base.host == (host if on else "sts.us-east-2.amazonaws.com")
    assert found.region == "us-east-2"


def test_both_kinds() -> None:
    """FIPS and dual-stack together are a host of their own."""
    environ = {FIPS: "true", DUALSTACK: "true", "AWS_REGION": "us-east-2"}
    assert resolved(environ=environ).base.host == "sts-fips.us-east-2.api.aws"


def test_pseudo_regions() -> None:
    """A region that says FIPS means it, and signatures are for the real one."""
    found = resolved(ClientConfig(region="fips-us-east-2"))
    assert (found.base.host, found.region) == ("sts-fips.us-east-2.amazonaws.com", "us-east-2")
    found = resolved(ClientConfig(region="aws-global"))
    assert (found.base.host, found.region) == ("sts.amazonaws.com", "us-east-1")


@pytest.mark.parametrize("variable", [FIPS, DUALSTACK, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_MAX_ATTEMPTS"])
def test_unreadable_switches(variable: str) -> None:
    """A variable that cannot be read is an error that names it."""
    assert variable in service_error(environ={variable: "maybe"})


# --- endpoints of one's own


HERE = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("config", "more", "origin"),
    [
        (
            ClientConfig(endpoint_url=HERE),
            {"environ": {"AWS_ENDPOINT_URL": "http://b"}},
            "option client_config.endpoint_url",
        ),
        (None, {"environ": {"AWS_ENDPOINT_URL": HERE}, "profile": "endpoint_url = http://b"}, "AWS_ENDPOINT_URL"),
        (None, {"profile": f"endpoint_url = {HERE}"}, f"{FILE}:2"),
    ],
)
def test_custom_endpoints(config: ClientConfig | None, more: dict[str, Any], origin: str) -> None:
    """An endpoint of option, environment or profile replaces the host; the region is still that of signatures."""
    found = resolved(config, client_region="eu-west-1", **more)
    assert (found.base.origin, found.origin, found.region) == (HERE, origin, "eu-west-1")
    assert str(found) == f"AWS STS at {HERE} ({origin})"


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_endpoint_of_each_service(service: Service) -> None:
    """Each service has its own variable, and those of the others say nothing about it."""
    names = {name: f"AWS_ENDPOINT_URL_{name.replace('-', '_').upper()}" for name in SERVICE_NAMES}
    environ = {variable: f"http://127.0.0.1/{name}" for name, variable in names.items()}
    found = resolved(environ=environ, service=service, client_region="eu-west-1")
    assert (str(found.base), found.service_name) == (f"http://127.0.0.1/{service}", SERVICE_NAMES[service])
    del environ[names[service]]
    assert resolved(environ=environ, service=service, client_region="eu-west-1").base.scheme == "https"


def test_ignored_endpoints() -> None:
    """The switch takes configured endpoints away, but not the option, which is no configuration."""
    environ = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL": "http://b"}
    assert resolved(environ=environ, client_region="eu-west-1").base.scheme == "https"
    assert resolved(ClientConfig(endpoint_url=HERE), environ=environ, client_region="eu-west-1").base.origin == HERE


@pytest.mark.parametrize(
    ("fips", "dualstack", "told"),
    [(True, False, "FIPS"), (False, True, "dual-stack"), (True, True, "FIPS and dual-stack")],
)
def test_custom_endpoint_and_kind(fips: bool, dualstack: bool, told: str) -> None:
    """An endpoint of one's own with FIPS or dual-stack is a contradiction, and the error names both."""
    said = service_error(
        ClientConfig(endpoint_url=HERE, use_fips=fips, use_dualstack=dualstack), client_region="eu-west-1"
    )
    assert "option client_config.endpoint_url" in said
    assert f"and {told} endpoints are configured" in said
    environ = {"AWS_ENDPOINT_URL": HERE, **({FIPS: "1"} if fips else {}), **({DUALSTACK: "1"} if dualstack else {})}
    assert "AWS_ENDPOINT_URL" in service_error(environ=environ, client_region="eu-west-1")
    environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    assert resolved(environ=environ, client_region="us-east-2").base.host.endswith((".amazonaws.com", ".api.aws"))


@pytest.mark.parametrize("url", ["a", "http://canary@a", "http://a?b=canary", "ftp://a", "http://a/#canary"])
def test_unreadable_endpoints(url: str) -> None:
    """An endpoint that is no URL is an error with its origin, and without the text."""
    for said in (
        service_error(environ={"AWS_ENDPOINT_URL_STS": url}, client_region="eu-west-1"),
        service_error(profile=f"endpoint_url = {url}", client_region="eu-west-1"),
    ):
        assert "AWS_ENDPOINT_URL_STS" in said or f"{FILE}:2" in said
        assert "canary" not in said


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://sts.example", True),
        ("http://192.0.2.1:8080", True),
        ("http://169.254.1.1", True),
        ("https://sts.example", False),
        ("http://localhost:1", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:1", False),
    ],
)
def test_plain_http_is_worth_one_warning(url: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A host that is called without TLS is warned of once, unless it is this machine."""
    endpoints = EndpointResolver(ClientConfig(endpoint_url=f"{url}/canary/", region="eu-west-1"))
    for service in SERVICE_NAMES:
        assert resolved(endpoints=endpoints, service=service).base.origin == url
    assert len(caplog.records) == warned
    for record in caplog.records:
        assert (record.name, record.levelno) == ("anycreds.endpoints", logging.WARNING)
        assert url in record.getMessage()
        assert "option client_config.endpoint_url" in record.getMessage()


# --- requests


@pytest.mark.parametrize(
    ("url", "with_factory", "direct"),
    [
        ("http://127.0.0.1:1", False, True),
        ("http://localhost", False, True),
        ("http://[::1]", False, True),
        ("http://169.254.1.1", False, True),
        ("https://sts.example", False, False),
        ("http://192.0.2.1", False, False),
        ("http://127.0.0.1:1", True, False),
        ("http://localhost", True, False),
        ("http://169.254.1.1", True, True),
        ("http://[fe80::1]", True, True),
        ("https://sts.example", True, False),
    ],
)
def test_what_goes_past_proxies(url: str, with_factory: bool, direct: bool) -> None:
    """What is on this machine or its link is asked directly; a program's own client is kept from the link only."""
    config = ClientConfig(endpoint_url=url, region="eu-west-1", http_client_factory=dict if with_factory else None)
    request = resolved(config).request("POST", "/", {}, 5.0)
    assert request.direct is direct
    assert request.transport.client_factory is (dict if with_factory else None)


def test_hosts_of_aws_are_not_direct() -> None:
    """What is asked over the network goes through proxies, as the environment has them."""
    assert not resolved(client_region="eu-west-1").request("POST", "/", {}, 5.0).direct


@pytest.mark.parametrize(
    ("url", "target", "asked"),
    [
        ("http://127.0.0.1", "/", "http://127.0.0.1/"),
        ("http://127.0.0.1/", "/federation/credentials?a=b", "http://127.0.0.1/federation/credentials?a=b"),
        ("http://127.0.0.1:1/base/path/", "/", "http://127.0.0.1:1/base/path/"),
        ("http://127.0.0.1:1/base/path", "/token", "http://127.0.0.1:1/base/path/token"),
    ],
)
def test_the_base_path_is_kept(url: str, target: str, asked: str) -> None:
    """A path of the endpoint stays before every path that is asked, with one slash between them."""
    request = resolved(ClientConfig(endpoint_url=url, region="eu-west-1")).request(
        "GET", target, {"a": "b"}, 2.5, b"body"
    )
    assert str(request.url) == asked
    assert (request.method, request.headers, request.timeout, request.body) == ("GET", {"a": "b"}, 2.5, b"body")


def test_attempts() -> None:
    """The option beats the variable, that the profile, and without any it is three."""
    more: dict[str, Any] = {
        "environ": {"AWS_MAX_ATTEMPTS": "7"},
        "profile": "max_attempts = 9",
        "client_region": "eu-west-1",
    }
    assert resolved(ClientConfig(max_attempts=1), **more).attempts == 1
    assert (
        resolved(ClientConfig(max_attempts=1), environ={"AWS_MAX_ATTEMPTS": "rubbish"}, client_region="a").attempts == 1
    )
    assert resolved(**more).attempts == 7
    assert resolved(profile="max_attempts = 9", client_region="eu-west-1").attempts == 9
    assert resolved(client_region="eu-west-1").attempts == 3


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_settings(region: str, url: str, client: str) -> None:
    """Whatever the environment holds, there is a place or an error as a value."""
    environ = {"AWS_REGION": region, "AWS_ENDPOINT_URL": url}
    assert isinstance(outcome(environ=environ, client_region=client), ResolvedEndpoint | InvalidConfigurationError)
    found = outcome(environ={"AWS_REGION": region}, client_region=client)
    assert isinstance(found, InvalidConfigurationError) or found.base.scheme == "https"
