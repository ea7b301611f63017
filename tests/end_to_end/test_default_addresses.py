"""Requests to the addresses of AWS that no test may reach, in memory: their bytes, hosts and connections."""

from __future__ import annotations

import pytest

import anycreds
from anycreds.testing import CANARY, FakeAWS, MemoryConnection, MemoryNetwork
from anycreds.testing._fake_aws.metadata import CONTAINER_PATH
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.raw_http_server import ok

pytestmark = pytest.mark.anyio

ECS = "169.254.170.2"
USER_AGENT = f"user-agent: anycreds/{anycreds.__version__}"
TOKEN_RESPONSE = ok(f"{CANARY}-imds".encode(), "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600")


def requests_of(connection: MemoryConnection) -> list[list[str]]:
    """Return the lines of each request without a body, in lower case."""
    heads = connection.written.decode("latin-1").lower().split("\r\n\r\n")
    assert heads.pop() == ""
    return [head.split("\r\n") for head in heads]


async def test_relative_uri_is_requested_from_ecs() -> None:
    """A relative URI is requested from the link-local address of the ECS agent, over plain http."""
    with MemoryNetwork() as network:
        network.script(ECS, 80, [("send", ok())])
        assert (await anycreds.from_http(relative_uri="/v2/creds?a=b", max_retries=0)()).access_key_id == "AKIDPEER"
    (connection,) = network.connections
    assert (connection.host, connection.port, connection.server_name) == (ECS, 80, None)
    assert requests_of(connection) == [
        [
            "get /v2/creds?a=b http/1.1",
            f"host: {ECS}",
            "accept-encoding: identity",
            USER_AGENT,
            "accept: application/json",
        ]
    ]
    assert network.open == 0


@pytest.mark.parametrize(
    ("mode", "address", "host"),
    [("IPv4", "169.254.169.254", "169.254.169.254"), ("IPv6", "fd00:ec2::254", "[fd00:ec2::254]")],
)
async def test_instance_metadata_is_requested_in_three_exchanges(
    mode: str, address: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata service is called at its IPv4 or IPv6 address, with a token, on one connection."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    with MemoryNetwork() as network:
        network.script(address, 80, [("send", TOKEN_RESPONSE)], [("send", ok(b"a-role"))], [("send", ok())])
        assert (await anycreds.from_instance_metadata(endpoint_mode=mode)()).access_key_id == "AKIDPEER"
    (connection,) = network.connections
    assert (connection.host, connection.port) == (address, 80)
    common = [f"host: {host}", "accept-encoding: identity", USER_AGENT]
    roles, token = "/latest/meta-data/iam/security-credentials/", f"x-aws-ec2-metadata-token: {CANARY}-imds"
    assert requests_of(connection) == [
        [
            "put /latest/api/token http/1.1",
            *common,
            "x-aws-ec2-metadata-token-ttl-seconds: 21600",
            "content-length: 0",
        ],
        [f"get {roles} http/1.1", *common, token],
        [f"get {roles}a-role http/1.1", *common, token],
    ]
    assert network.open == 0


async def test_refused_connection_is_retried() -> None:
    """A refused connection is tried again."""
    with MemoryNetwork() as network:
        network.script(ECS, 80, [("refuse",)], [("send", ok())])
        assert (await anycreds.from_http(relative_uri="/creds", max_retries=3)()).access_key_id == "AKIDPEER"
    assert [connection.was_accepted for connection in network.connections] == [False, True]
    assert network.open == 0


async def test_retries_use_one_connection() -> None:
    """All retries of an attempt use one connection, which is closed afterwards."""
    with MemoryNetwork() as network:
        for status in (500, 503):
            network.script(ECS, 80, [("send", b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)])
        network.script(ECS, 80, [("send", ok())])
        assert (await anycreds.from_http(relative_uri="/creds", max_retries=3)()).access_key_id == "AKIDPEER"
    (connection,) = network.connections
    assert connection.requests == 3
    assert network.open == 0


@pytest.mark.fault("U28", "S07")
@pytest.mark.parametrize("no_proxy", ["", "*", "169.254.0.0/16, ::1", "example.com,,;"])
async def test_link_local_addresses_are_called_without_a_proxy(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the proxy variables are, EC2, ECS and EKS are called at their addresses, and nothing else is."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
        monkeypatch.setenv(name.lower(), "socks5://[proxy.example.com")  # invalid, too
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with MemoryNetwork() as network:
        aws = FakeAWS()
        network.serve(aws)
        token = aws.container_token
        await anycreds.from_instance_metadata()()
        await anycreds.from_http(relative_uri=CONTAINER_PATH, authorization_token=token)()
        await anycreds.from_http(full_uri=f"http://169.254.170.23{CONTAINER_PATH}", authorization_token=token)()
    assert [one.host for one in network.connections] == ["169.254.169.254", ECS, "169.254.170.23"]


@pytest.mark.fault("S02", "S21")
@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.170.3", "[fd00:ec2::254]", "[::2]", "10.0.0.1", "8.8.8.8"),
        *("127.0.0.1.example.com", "localhost.example.com", "evil.example.com", "ip6-localhost"),
    ],
)
async def test_forbidden_endpoint_gets_no_connection(host: str) -> None:
    """A container endpoint that AWS's rules do not allow is an error without a connection or a name resolution."""
    with MemoryNetwork() as network:
        network.serve(FakeAWS(), host.strip("[]"))
        with pytest.raises(anycreds.ForbiddenEndpointError):
            await anycreds.from_http(full_uri=f"http://{host}/creds", authorization_token=f"{CANARY}-token")()
    assert network.connections == []
