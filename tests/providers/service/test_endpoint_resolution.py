"""Endpoint resolution: the order of the regions, variants, custom endpoints, and requests."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds import ClientConfig, InvalidConfigurationError
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.errors import strip_frames
from anycreds._core.http import CaBundle, Transport
from anycreds._core.provider import ClientContext
from anycreds._providers.service import endpoint_resolution
from anycreds._providers.service.endpoint_resolution import SERVICE_NAMES, EndpointResolver, ResolvedEndpoint
from anycreds._wire.endpoints import Service
from support.fake_io import FakeIo, run
from support.rows import each_row

WHO = "a provider"
CONFIG = "/home/user/.aws/config"
FILE = "~/.aws/config"
INVALID_REGIONS = [
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
    """Resolve the endpoint of a service; ``profile`` has the lines of the profile ``default``."""
    io = FakeIo(environ=environ, files={CONFIG: f"[default]\n{profile}\n".encode()})
    resolver = endpoints or EndpointResolver(config, profile_first=profile_first)
    try:
        return run(resolver.resolve(io, ClientContext(region=client_region), service, WHO, **more))
    except InvalidConfigurationError as error:
        strip_frames(error)  # as ``Provider._fetch`` does
        return error


def resolved(config: ClientConfig | None = None, **more: Any) -> ResolvedEndpoint:
    """Return the endpoint."""
    found = outcome(config, **more)
    assert isinstance(found, ResolvedEndpoint)
    return found


def error_of(config: ClientConfig | None = None, **more: Any) -> str:
    """Return the text of the error."""
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


@each_row(
    "order, first",
    [(order, first) for order in (OF_A_PROFILE, OF_NO_PROFILE) for first in range(len(order))],
    ids=[f"{of}-{first}" for of in ("of a profile", "of no profile") for first in range(len(OF_A_PROFILE))],
)
def test_order_of_regions(order: tuple[str, ...], first: int) -> None:
    """The first setting in the documented order wins, and the endpoint names it as its origin."""
    region, origin = REGIONS[order[first]]
    found = resolved(**set_in(*order[first:]), profile_first=order is OF_A_PROFILE)
    assert (found.region, str(found.base)) == (region, f"https://sts.{region}.amazonaws.com")
    assert found.origin == f"region {region}, {origin}"


@each_row("service", ["sso", "sso-oidc", "signin"])
@each_row("profile_first", [True, False])
def test_required_region_precedes_all_settings(service: Service, profile_first: bool) -> None:
    """A service that can be called in one region only is called there, even if an option sets another region."""
    required = Setting("ap-south-1", "sso_region")
    found = resolved(**set_in(*OF_A_PROFILE), service=service, required_region=required, profile_first=profile_first)
    assert found.region == "ap-south-1"
    assert "sso_region" in found.origin


@each_row("first", range(len(OF_NO_PROFILE)))
def test_only_the_option_precedes_a_fallback_region(first: int) -> None:
    """The region of an identity pool precedes all settings except ``client_config.region``."""
    fallback = Setting("ap-south-1", "identity_pool_id")
    found = resolved(**set_in(*OF_NO_PROFILE[first:]), service="cognito-identity", fallback_region=fallback)
    region = "eu-west-1" if first == 0 else "ap-south-1"
    assert (found.region, found.base.host) == (region, f"cognito-identity.{region}.amazonaws.com")


def test_blank_regions_count_as_not_set() -> None:
    """A blank region of the profile, the client or a variable counts as not set."""
    found = resolved(
        profile="region =", client_region=" ", environ={"AWS_REGION": "\t", "AWS_DEFAULT_REGION": "eu-south-1"}
    )
    assert found.region == "eu-south-1"


def no_host(*arguments: object, **options: object) -> None:
    """Fail, in the place of the function that computes host names."""
    raise AssertionError("a host name was made")


@each_row("region", INVALID_REGIONS)
def test_invalid_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region that is not one label of a DNS name is an error with its origin, and no host name is computed."""
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
        text = error_of(**more)
        assert text.startswith(f"{WHO}: the region from ")
        assert origin in text or origin == "client_config"
        assert region not in text


@each_row("region", ["evil.com/", "a.b", "x" * 64, "\u00e9"])
def test_invalid_region_in_the_profile(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid region in the profile is an error with file and line."""
    monkeypatch.setattr(endpoint_resolution, "endpoint_for", no_host)
    assert f"the region from {FILE}:2 cannot be a part of a host name" in error_of(profile=f"region = {region}")


def test_overridden_region_is_not_validated() -> None:
    """A region that is overridden is not validated."""
    found = resolved(ClientConfig(region="eu-west-1"), client_region="a.b", environ={"AWS_REGION": "a/b"})
    assert found.region == "eu-west-1"


def test_fallback_region_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The use of us-east-1 without a configured region is logged once for all services of a resolver."""
    endpoints = EndpointResolver()
    for service in SERVICE_NAMES:
        assert resolved(endpoints=endpoints, service=service).region == "us-east-1"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.endpoints", logging.WARNING)
    assert "us-east-1" in record.getMessage()
    assert WHO in record.getMessage()


# --- the selected profile


def test_order_of_profiles() -> None:
    """The profile of the argument precedes the client's, that of ``AWS_PROFILE``, and ``default``."""
    config = (
        "[default]\nregion=eu-a-1\n[profile x]\nregion=eu-b-1\n[profile y]\nregion=eu-c-1\n[profile z]\nregion=eu-d-1"
    )
    files = {CONFIG: config.encode()}
    for argument, client, variable, region in (
        (None, None, None, "eu-a-1"),
        (None, None, "x", "eu-b-1"),
        (None, "y", "x", "eu-c-1"),
        ("z", "y", "x", "eu-d-1"),
    ):
        io = FakeIo(environ={} if variable is None else {"AWS_PROFILE": variable}, files=files)
        found = run(EndpointResolver(profile=argument).resolve(io, ClientContext(profile=client), "sts", WHO))
        assert found.region == region


def test_other_files_or_none() -> None:
    """The files can be others, and with a view of the profile no file is read."""
    io = FakeIo(files={"/etc/aws": b"[default]\nregion = eu-west-1\n", CONFIG: b"\xff"})
    files = SharedFiles(FileOptions(config_filepath="/etc/aws"))
    found = run(EndpointResolver(files=files).resolve(io, ClientContext(), "sts", WHO))
    assert found.region == "eu-west-1"
    io = FakeIo(environ={"AWS_REGION": "eu-west-2"}, files={CONFIG: b"\xff"})
    found = run(EndpointResolver(view=ProfileView()).resolve(io, ClientContext(profile="missing"), "sts", WHO))
    assert (found.region, io.reads) == ("eu-west-2", [])


@pytest.mark.parametrize("content", [b"[default]\nregion = \xff", b"[default]\ninvalid\n"])
def test_invalid_files(content: bytes) -> None:
    """A file or profile that cannot be parsed is an error, even if an option sets the region."""
    io = FakeIo(files={CONFIG: content})
    with pytest.raises(InvalidConfigurationError, match=f"{FILE}:"):
        run(EndpointResolver(ClientConfig(region="eu-west-1")).resolve(io, ClientContext(), "sts", WHO))


# --- FIPS and dual-stack endpoints


FIPS, DUALSTACK = "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"


@each_row(
    "option, variable, key, on",
    [
        (None, None, None, False),
        (None, None, "true", True),
        (None, "false", "true", False),
        (None, "true", "false", True),
        (False, "true", "true", False),
        (True, "false", "false", True),
        (False, "invalid", "invalid", False),
    ],
)
@each_row("name", ["use_fips", "use_dualstack"])
def test_endpoint_variants(name: str, option: bool | None, variable: str | None, key: str | None, on: bool) -> None:
    """For FIPS and dual-stack, the option precedes the variable, and the variable the profile; False counts as set."""
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


def test_fips_and_dual_stack() -> None:
    """FIPS and dual-stack together have a host of their own."""
    environ = {FIPS: "true", DUALSTACK: "true", "AWS_REGION": "us-east-2"}
    assert resolved(environ=environ).base.host == "sts-fips.us-east-2.api.aws"


def test_pseudo_region_selects_the_fips_endpoint() -> None:
    """A FIPS pseudo-region selects the FIPS endpoint, and signatures are for the real region."""
    found = resolved(ClientConfig(region="fips-us-east-2"))
    assert (found.base.host, found.region) == ("sts-fips.us-east-2.amazonaws.com", "us-east-2")
    found = resolved(ClientConfig(region="aws-global"))
    assert (found.base.host, found.region) == ("sts.amazonaws.com", "us-east-1")


@each_row("variable", [FIPS, DUALSTACK, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_MAX_ATTEMPTS"])
def test_invalid_variables(variable: str) -> None:
    """An invalid variable is an error that names it."""
    assert variable in error_of(environ={variable: "maybe"})


# --- custom endpoints


HERE = "http://127.0.0.1:8080"


@each_row(
    "config, more, origin",
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
    """An endpoint of option, environment or profile replaces the host; signatures are for the configured region."""
    found = resolved(config, client_region="eu-west-1", **more)
    assert (found.base.origin, found.origin, found.region) == (HERE, origin, "eu-west-1")
    assert str(found) == f"AWS STS at {HERE} ({origin})"


@each_row("service", SERVICE_NAMES)
def test_endpoint_of_each_service(service: Service) -> None:
    """Each service has its own variable, which does not affect the other services."""
    names = {name: f"AWS_ENDPOINT_URL_{name.replace('-', '_').upper()}" for name in SERVICE_NAMES}
    environ = {variable: f"http://127.0.0.1/{name}" for name, variable in names.items()}
    found = resolved(environ=environ, service=service, client_region="eu-west-1")
    assert (str(found.base), found.service_name) == (f"http://127.0.0.1/{service}", SERVICE_NAMES[service])
    del environ[names[service]]
    assert resolved(environ=environ, service=service, client_region="eu-west-1").base.scheme == "https"


def test_ignored_endpoints() -> None:
    """``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`` disables configured endpoints, but not the option."""
    environ = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL": "http://b"}
    assert resolved(environ=environ, client_region="eu-west-1").base.scheme == "https"
    assert resolved(ClientConfig(endpoint_url=HERE), environ=environ, client_region="eu-west-1").base.origin == HERE


@each_row(
    "fips, dualstack, variants",
    [(True, False, "FIPS"), (False, True, "dual-stack"), (True, True, "FIPS and dual-stack")],
)
def test_custom_endpoint_with_a_variant(fips: bool, dualstack: bool, variants: str) -> None:
    """A custom endpoint together with FIPS or dual-stack is an error that names both settings."""
    text = error_of(ClientConfig(endpoint_url=HERE, use_fips=fips, use_dualstack=dualstack), client_region="eu-west-1")
    assert "option client_config.endpoint_url" in text
    assert f"and {variants} endpoints are configured" in text
    environ = {"AWS_ENDPOINT_URL": HERE, **({FIPS: "1"} if fips else {}), **({DUALSTACK: "1"} if dualstack else {})}
    assert "AWS_ENDPOINT_URL" in error_of(environ=environ, client_region="eu-west-1")
    environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    assert resolved(environ=environ, client_region="us-east-2").base.host.endswith((".amazonaws.com", ".api.aws"))


@each_row("url", ["a", "http://canary@a", "http://a?b=canary", "ftp://a", "http://a/#canary"])
def test_invalid_endpoints(url: str) -> None:
    """An endpoint that is not a valid URL is an error with its origin, and without its text."""
    for text in (
        error_of(environ={"AWS_ENDPOINT_URL_STS": url}, client_region="eu-west-1"),
        error_of(profile=f"endpoint_url = {url}", client_region="eu-west-1"),
    ):
        assert "AWS_ENDPOINT_URL_STS" in text or f"{FILE}:2" in text
        assert "canary" not in text


@pytest.mark.fault("S20")
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
def test_plain_http_is_logged_once(url: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A host called without TLS is logged once, unless it is on this machine."""
    endpoints = EndpointResolver(ClientConfig(endpoint_url=f"{url}/canary/", region="eu-west-1"))
    for service in SERVICE_NAMES:
        assert resolved(endpoints=endpoints, service=service).base.origin == url
    assert len(caplog.records) == warned
    for record in caplog.records:
        assert (record.name, record.levelno) == ("anycreds.endpoints", logging.WARNING)
        assert url in record.getMessage()
        assert "option client_config.endpoint_url" in record.getMessage()


# --- requests


@each_row(
    "url, with_factory, direct",
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
def test_direct_requests(url: str, with_factory: bool, direct: bool) -> None:
    """Loopback and link-local hosts are called directly; a client of the user is used for loopback hosts only."""
    config = ClientConfig(endpoint_url=url, region="eu-west-1", http_client_factory=dict if with_factory else None)
    request = resolved(config).request("POST", "/", {}, 5.0)
    assert request.direct is direct
    assert request.transport is not None
    assert request.transport.client_factory is (dict if with_factory else None)


def test_configurations_share_a_client_for_equal_options() -> None:
    """Two configurations share a client if factory and TLS context are the same."""
    context = ssl.create_default_context()
    options: list[dict[str, Any]] = [{"http_client_factory": dict, "ssl_context": context}] * 2 + [{}]
    transports = [
        resolved(ClientConfig(region=f"eu-west-{number}", **given)).request("POST", "/", {}, 5.0).transport
        for number, given in enumerate(options)
    ]
    assert transports == [Transport(dict, context), Transport(dict, context), Transport()]


def test_ca_bundle_of_the_profile() -> None:
    """The profile's ``ca_bundle`` is used; ``AWS_CA_BUNDLE`` and the client's TLS context or factory precede it."""
    profile, context = "ca_bundle = ~/ca.pem", ssl.create_default_context()
    bundle = CaBundle("/home/user/ca.pem", f"ca_bundle in {FILE}:2")
    assert resolved(profile=profile).transport == Transport(ca_bundle=bundle)
    assert resolved(profile=profile, environ={"AWS_CA_BUNDLE": "/x.pem"}).transport == Transport()
    with_context = ClientConfig(ssl_context=context)
    assert resolved(with_context, profile=profile).transport == Transport(ssl_context=context)
    assert resolved(ClientConfig(http_client_factory=dict), profile=profile).transport == Transport(dict)


def test_app_id_of_the_option_precedes_environment_and_profile() -> None:
    """The name of the user's application is that of the option, else of the environment, else of the profile."""
    profile, environ = "sdk_ua_app_id = profile", {"AWS_SDK_UA_APP_ID": "environment"}

    def app_id(config: ClientConfig | None = None, **more: Any) -> str:
        return resolved(config, **more).request("GET", "/", {}, 5.0).app_id

    assert app_id() == ""
    assert app_id(profile=profile) == "profile"
    assert app_id(profile=profile, environ=environ) == "environment"
    assert app_id(ClientConfig(app_id="option"), profile=profile, environ=environ) == "option"


def test_app_id_with_other_characters() -> None:
    """Characters that AWS does not allow are replaced, as in botocore, so that the header stays valid."""
    environ = {"AWS_SDK_UA_APP_ID": "APN_1.1/pc x\r\nX: \u00e9"}
    assert resolved(environ=environ).app_id == "APN_1.1-pc-x--X---"


def test_app_id_that_is_too_long(caplog: pytest.LogCaptureFixture) -> None:
    """A name of more than 50 characters is not sent, with one warning that does not contain it."""
    resolver, environ = EndpointResolver(), {"AWS_SDK_UA_APP_ID": "x" * 51}
    assert [resolved(endpoints=resolver, environ=environ).app_id for _ in range(2)] == ["", ""]
    (record,) = [record for record in caplog.records if "AWS_SDK_UA_APP_ID" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "51 characters" in record.getMessage()
    assert "xxx" not in record.getMessage()


def test_requests_to_aws_are_not_direct() -> None:
    """Requests to AWS use the proxies of the environment."""
    assert not resolved(client_region="eu-west-1").request("POST", "/", {}, 5.0).direct


@each_row(
    "url, target, requested",
    [
        ("http://127.0.0.1", "/", "http://127.0.0.1/"),
        ("http://127.0.0.1/", "/federation/credentials?a=b", "http://127.0.0.1/federation/credentials?a=b"),
        ("http://127.0.0.1:1/base/path/", "/", "http://127.0.0.1:1/base/path/"),
        ("http://127.0.0.1:1/base/path", "/token", "http://127.0.0.1:1/base/path/token"),
    ],
)
def test_path_of_the_endpoint(url: str, target: str, requested: str) -> None:
    """The path of the endpoint precedes the path of every request, with one slash between them."""
    request = resolved(ClientConfig(endpoint_url=url, region="eu-west-1")).request(
        "GET", target, {"a": "b"}, 2.5, b"body"
    )
    assert str(request.url) == requested
    assert (request.method, request.headers, request.timeout, request.body) == ("GET", {"a": "b"}, 2.5, b"body")


def test_order_of_max_attempts() -> None:
    """The option precedes the variable, and the variable the profile; the default is three attempts."""
    more: dict[str, Any] = {
        "environ": {"AWS_MAX_ATTEMPTS": "7"},
        "profile": "max_attempts = 9",
        "client_region": "eu-west-1",
    }
    assert resolved(ClientConfig(max_attempts=1), **more).attempts == 1
    assert (
        resolved(ClientConfig(max_attempts=1), environ={"AWS_MAX_ATTEMPTS": "invalid"}, client_region="a").attempts == 1
    )
    assert resolved(**more).attempts == 7
    assert resolved(profile="max_attempts = 9", client_region="eu-west-1").attempts == 9
    assert resolved(client_region="eu-west-1").attempts == 3


@given(st.text(), st.text(), st.text())
def test_any_settings_are_resolved_or_rejected(region: str, url: str, client: str) -> None:
    """Any texts in the environment result in an endpoint or an ``InvalidConfigurationError``."""
    environ = {"AWS_REGION": region, "AWS_ENDPOINT_URL": url}
    assert isinstance(outcome(environ=environ, client_region=client), ResolvedEndpoint | InvalidConfigurationError)
    found = outcome(environ={"AWS_REGION": region}, client_region=client)
    assert isinstance(found, InvalidConfigurationError) or found.base.scheme == "https"
