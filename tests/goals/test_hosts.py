"""Which hosts get a connection, for hundreds of URLs, redirects and proxies, on a network in memory."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

import anycreds
from anycreds import CredentialsError
from anycreds.testing import FakeAWS, MemoryConnection, MemoryNetwork, Redirect, VirtualClock
from anycreds.testing._fake_aws.metadata import CONTAINER_PATH
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.goals import RecordGoal
from wire.test_urls import READ, REFUSED

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_clock")]

NETWORKS = [ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128")]
HOSTS = [ipaddress.ip_address(text) for text in ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")]
METADATA = [ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254")]
# Hosts that look like permitted ones, or are near to them, and some that programs try.
OTHER_HOSTS = (
    "evil.com", "localhost.evil.com", "evil-localhost", "localhost.", "localhost.localdomain", "local", "ip6-localhost",
    "127.0.0.1.nip.io", "169.254.170.2.evil.com", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200", "0.0.0.0",
    "126.255.255.255", "128.0.0.1", "169.254.169.254", "169.254.170.1", "169.254.170.3", "169.254.170.22", "8.8.8.8",
    "169.254.170.24", "169.254.0.1", "169.253.170.2", "224.0.0.1", "255.255.255.255", "[::]", "[::2]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.170.2]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[fd00:ec2::254]", "[fd00:ec2::22]",
    "[fd00:ec2::24]", "[fd00:ec3::23]", "[2001:db8::1]", "[ff02::1]", "metadata.google.internal", "instance-data",
    "host.docker.internal", "kubernetes.default.svc", "xn--localhost-", "localhos", "localhostt", "127-0-0-1.com",
)  # fmt: skip
URLS = [*REFUSED, *(text for text, _ in READ)]
URLS += [f"{scheme}://{host}{path}" for host in OTHER_HOSTS for scheme, path in (("http", "/x"), ("https", ":8443/x"))]
RELATIVE = [text for text in REFUSED if len(text) < 100] + [
    "@evil.com/", ".evil.com/", "//evil.com/", ":80@evil.com/", "\\@evil.com", "/\\evil.com", "/x\r\nHost: evil.com",
    "/@evil.com", "/:80", "//evil.com:80/x", "/..//evil.com/", "/x?@evil.com", "/x#@evil.com", "/%2f%2fevil.com",
]  # fmt: skip
PROXIES = {
    name: value
    for names, value in (
        (("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://proxy.evil.com:3128"),
        (("NO_PROXY", "no_proxy"), "evil.example"),
    )
    for name in names
}


def is_permitted(connection: MemoryConnection, also: tuple[object, ...] = ()) -> bool:
    """Return whether a host may be connected to over plain http. ``also`` has other addresses that may."""
    if connection.host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(connection.host)
    except ValueError:
        return False
    return address in HOSTS or address in also or any(address in network for network in NETWORKS)


async def attempt(network: MemoryNetwork, provider: anycreds.Provider) -> None:
    """Let a provider try, whatever comes of it."""
    with suppress(CredentialsError):
        await provider()
    assert network.open == 0


@pytest.fixture
def network() -> Iterator[MemoryNetwork]:
    with MemoryNetwork() as network:
        yield network


def record(goal: RecordGoal, network: MemoryNetwork, cases: int, outside: list[str]) -> None:
    goal(
        "G15",
        "{outside} of {connections} connections outside of the list, for {cases} URLs, paths, redirects and proxies",
        "{cases} cases, at least 200",
        outside=len(outside),
        connections=len(network.connections),
        cases=cases,
    )
    assert outside == []
    assert network.connections


@pytest.mark.fault("S02", "S03", "S21")
@pytest.mark.goal("G15", long=True)
async def test_urls_of_container_credentials(network: MemoryNetwork, goal: RecordGoal) -> None:
    """Whatever the URL of container credentials is, only permitted hosts are connected to over plain http."""
    outside: list[str] = []
    for url in URLS:
        try:
            provider = anycreds.from_http(full_uri=url, timeout=0.1, max_retries=0)
        except CredentialsError:
            continue
        before = len(network.connections)
        await attempt(network, provider)
        for one in network.connections[before:]:
            is_https = url.lower().startswith("https:")  # to any host, which TLS verifies
            if one.host != httpx.URL(url).raw_host.decode() if is_https else not is_permitted(one):
                outside.append(one.host)
    record(goal, network, len(URLS), outside)


@pytest.mark.fault("S04")
@pytest.mark.goal("G15", long=True)
async def test_relative_uris(network: MemoryNetwork, goal: RecordGoal) -> None:
    """Whatever the relative URI is, only the container agent is connected to."""
    for uri in RELATIVE:
        try:
            provider = anycreds.from_http(relative_uri=uri, timeout=0.1, max_retries=0)
        except CredentialsError:
            continue
        await attempt(network, provider)
    record(goal, network, len(RELATIVE), [one.host for one in network.connections if one.host != "169.254.170.2"])


@pytest.mark.fault("U25", "U28", "S07")
@pytest.mark.goal("G15", long=True)
@pytest.mark.parametrize("proxies", [False, True])
async def test_redirects_and_proxies(
    network: MemoryNetwork, proxies: bool, monkeypatch: pytest.MonkeyPatch, goal: RecordGoal
) -> None:
    """No redirect is followed, and no proxy gets a request for container credentials or EC2 metadata."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    for name, value in PROXIES.items() if proxies else ():
        monkeypatch.setenv(name, value)
    aws = FakeAWS(clock=VirtualClock())
    network.serve(aws)
    targets = ["//evil.com/", "/elsewhere", *(f"http://{host}/" for host in OTHER_HOSTS)]
    cases = [(route, code, target) for route in ("container", "token", "role list", "role") for code in (301, 302, 307)
             for target in targets]  # fmt: skip
    for route, code, target in cases:
        aws.script(route, Redirect(target, code))
        provider: anycreds.Provider = anycreds.from_instance_metadata()
        if route == "container":
            token = aws.container_token
            provider = anycreds.from_http(relative_uri=CONTAINER_PATH, authorization_token=token, max_retries=0)
        await attempt(network, provider)
    assert len(network.connections) == len(cases)
    outside = [one.host for one in network.connections if not is_permitted(one, tuple(METADATA))]
    record(goal, network, len(cases), outside)
