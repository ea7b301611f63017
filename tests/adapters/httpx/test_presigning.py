"""Presigned URLs and database passwords equal those of botocore, and a service accepts them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, quote, urlsplit

import anyio
import botocore.auth
import botocore.session
import botocore.signers
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.httpx.service import REGION, serving, trust
from anycreds import Credentials, InvalidConfigurationError, NotConfiguredError, cached, from_env
from anycreds.adapters.presigning import presign, rds_token
from anycreds.testing import ManualClock
from support.rows import each_row

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# Not the canary, which no log may contain: a client in one of these tests logs presigned URLs.
KEYS = Credentials("ASIAPRESIGNED", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/+= with a blank")
HOST = "db.abc123.eu-central-1.rds.amazonaws.com"


@pytest.fixture(autouse=True)
def fixed_time() -> Iterator[None]:
    """Let botocore sign at a fixed time, and not log what it signs."""
    now = NOW.replace(tzinfo=None)
    with (
        mock.patch.object(botocore.auth, "get_current_datetime", return_value=now),
        mock.patch.object(botocore.auth.logger, "disabled", True),
    ):
        yield


def provider(credentials: Credentials = KEYS) -> Any:
    async def source() -> Credentials:
        return credentials

    return cached(source, clock=ManualClock(NOW.timestamp()))


def run(function: Any, *arguments: Any, **options: Any) -> str:
    """Await a function of the adapter."""

    async def main() -> str:
        found: str = await function(*arguments, **options)
        return found

    return anyio.run(main)


def botocore_client(service: str, credentials: Credentials = KEYS) -> Any:
    """Return a client of botocore with the same keys."""
    session = botocore.session.Session()
    session.set_credentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    config = botocore.config.Config(signature_version="s3v4") if service == "s3" else None
    return session.create_client(service, REGION, config=config)


def query_of(url: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


@pytest.mark.parametrize("credentials", [KEYS, Credentials("AKIAPLAIN", "secret")], ids=["session", "long-term"])
def test_s3_urls_equal_botocores(credentials: Credentials) -> None:
    """A presigned URL of an S3 object has the location and the query of botocore's."""
    client = botocore_client("s3", credentials)
    for key in ("key", "a b/ä+日本", "~a!b*c(d)'e", "a=b&c?d#e%", "%41"):
        expected = client.generate_presigned_url("get_object", {"Bucket": "some-bucket", "Key": key}, ExpiresIn=300)
        url = f"https://some-bucket.s3.amazonaws.com/{quote(key)}"
        presigned = run(presign, provider(credentials), "GET", url, service="s3", region=REGION, expires=300)
        assert query_of(presigned) == query_of(expected), key
        assert urlsplit(presigned)[:3] == urlsplit(expected)[:3], key


def test_queries_and_headers_equal_botocores() -> None:
    """A query and required headers are signed as by botocore."""
    parameters = {"Bucket": "some-bucket", "Key": "k", "ResponseContentType": "text/plain; a=ä", "VersionId": "v 1"}
    client = botocore_client("s3")
    expected = client.generate_presigned_url("get_object", parameters, ExpiresIn=60)
    url = "https://some-bucket.s3.amazonaws.com/k?response-content-type=text%2Fplain%3B+a%3D%C3%A4&versionId=v%201"
    presigned = run(presign, provider(), "GET", url, service="s3", region=REGION, expires=timedelta(minutes=1))
    assert query_of(presigned) == query_of(expected)
    expected = client.generate_presigned_url(
        "put_object", {"Bucket": "some-bucket", "Key": "k", "ContentType": "text/html"}, ExpiresIn=60
    )
    presigned = run(
        presign,
        provider(),
        "put",
        "https://some-bucket.s3.amazonaws.com/k",
        service="s3",
        region=REGION,
        expires=60,
        headers={"Content-Type": "text/html"},
    )
    assert query_of(presigned) == query_of(expected)


def test_sts_urls_equal_botocores() -> None:
    """A presigned STS request with a header, the identity token of EKS, equals that of botocore."""
    client = botocore_client("sts")
    client.meta.events.register(
        "before-sign.sts.GetCallerIdentity",
        lambda request, **_: request.headers.add_header("x-k8s-aws-id", "my-cluster"),
    )
    expected = client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    url = f"https://sts.{REGION}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"x-k8s-aws-id": "my-cluster"}
    presigned = run(presign, provider(), "GET", url, service="sts", region=REGION, expires=60, headers=headers)
    assert query_of(presigned) == query_of(expected)


@given(
    st.sampled_from((HOST, "127.0.0.1", "localhost")),
    st.integers(1, 65535),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)
def test_rds_tokens_equal_botocores(host: str, port: int, user: str) -> None:
    """A database password equals that of botocore, except for the order of the query."""
    expected = RDS.generate_db_auth_token(host, port, user, REGION)
    presigned = run(rds_token, provider(), host, port, user, REGION)
    assert query_of("//" + presigned) == query_of("//" + expected)
    assert presigned.partition("?")[0] == expected.partition("?")[0]
    assert "://" not in presigned
    assert [pair[0] for pair in parse_qsl(urlsplit("//" + presigned).query)][:2] == ["Action", "DBUser"]


RDS = botocore_client("rds")


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "method"), [("s3", "GET"), ("s3", "PUT"), ("dynamodb", "GET")])
async def test_service_accepts_presigned_urls(name: str, method: str) -> None:
    """A service accepts a presigned URL from a client without credentials, for its own method only."""

    async def source() -> Credentials:
        return KEYS.replace(session_token="token/+=")

    async with serving(name, tls=True) as service, httpx.AsyncClient(verify=trust(), trust_env=False) as client:
        service.know(await source())
        unsigned = f"{service.url}/a%20b/c(d)+e?x=a+b&&y"
        body = b"anything" if name == "s3" and method == "PUT" else b""
        url = await presign(source, method, unsigned, service=name, region=REGION)
        response = await client.request(method, url, content=body)
        assert (response.status_code, service.last.error) == (200, None)
        assert "X-Amz-Expires=900&" in url
        assert (await client.delete(url)).status_code == 403


@pytest.mark.anyio
async def test_provider_error() -> None:
    """``presign`` and ``rds_token`` raise the provider's own error."""
    with pytest.raises(NotConfiguredError, match="AWS_ACCESS_KEY_ID"):
        await presign(from_env(environ={}), "GET", "https://a.example.com/", service="s3", region=REGION)
    with pytest.raises(NotConfiguredError, match="AWS_ACCESS_KEY_ID"):
        await rds_token(from_env(environ={}), HOST, 5432, "app", REGION)


@each_row(
    "changed, message",
    [
        ({"url": "https://a.example.com/ä"}, r"the URL contains U\+00E4"),
        ({"url": "https://a.example.com/a/../b"}, r"the URL has a path with \. or \.\."),
        ({"url": "ftp://a.example.com/"}, "the URL does not begin with http"),
        ({"url": "a.example.com"}, "the URL does not begin with http"),
        ({"url": None}, "the URL is not text"),
        ({"expires": 0}, "expires is not a number of seconds from 1 to 604800"),
        ({"expires": 604801}, "expires is not a number of seconds from 1 to 604800"),
        ({"expires": -1}, "expires is not a duration"),
        ({"expires": "300"}, "expires is not a duration"),
        ({"headers": {"x-amz-a": "ä"}}, "a header has a character that an HTTP header cannot contain"),
        ({"region": None}, "region is missing"),
        ({"service": ""}, "service is not a signing name"),
    ],
)
def test_presign_rejects_invalid_arguments(changed: dict[str, Any], message: str) -> None:
    """An invalid argument is rejected, and the error does not repeat it."""
    options = {"url": "https://a.example.com/", "service": "s3", "region": REGION, **changed}
    with pytest.raises(InvalidConfigurationError, match=f"presign: {message}"):
        run(presign, provider(), "GET", options.pop("url"), **options)


@each_row(
    "changed, message",
    [
        ({"host": "db/?"}, "host and port are malformed"),
        ({"host": "user@db"}, "host and port are malformed"),
        ({"host": "db:1"}, "host and port are malformed"),
        ({"host": ""}, "host and port are malformed"),
        ({"port": 0}, "host and port are malformed"),
        ({"port": 65536}, "host and port are malformed"),
        ({"port": "5432/"}, "host and port are malformed"),
        ({"port": None}, "host and port are malformed"),
        ({"user": ""}, "user is missing"),
        ({"user": None}, "user is missing"),
        ({"region": ""}, "region is missing"),
        ({"region": "eu/"}, "region cannot be"),
    ],
)
def test_rds_token_rejects_invalid_arguments(changed: dict[str, Any], message: str) -> None:
    """An invalid host, port, user or region is rejected."""
    options = {"host": HOST, "port": 5432, "user": "app", "region": REGION, **changed}
    with pytest.raises(InvalidConfigurationError, match=f"rds_token: {message}"):
        run(rds_token, provider(), **options)
