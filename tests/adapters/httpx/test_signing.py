"""The service, which verifies every signature, accepts what the client sends."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from adapters.httpx.service import ARN, REGION, Library, Source, each_library, keys, serving
from anycreds import ClientConfig, Credentials, cached, from_temporary_credentials
from anycreds._wire import sigv4
from anycreds.adapters import _sigv4_auth
from anycreds.testing import FakeAWS
from support.event_loops import each_loop

pytestmark = pytest.mark.anyio

HASH_OF_NOTHING = hashlib.sha256(b"").hexdigest().encode()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """Return a streamed body."""
    for part in parts:
        await anyio.lowlevel.checkpoint()
        yield part


def auth_for(library: Library, service: str = "dynamodb", source: Any = None) -> Any:
    return library.SigV4Auth(source or Source(), service=service, region=REGION)


async def test_requests_of_every_method_are_signed(library: Library) -> None:
    """Requests of every method are signed, with and without a body."""
    async with serving() as service, library.client(service, auth_for(library)) as client:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for body in (None, b"", b"body"):
                response = await client.request(method, "/", content=body)
                assert (method, body, response.status_code, service.last.error) == (method, body, 200, None)
                assert service.last.payload == hashlib.sha256(body or b"").hexdigest().encode()


PATHS = [
    "/",
    "",
    "//",
    "/a//b/",
    "/a/./b/../c",
    "/a b",
    "/a%20b",
    "/a%2Fb",
    "/a+b",
    "/ä/日本/🙂",
    "/%C3%A4",
    "/%",
    "/100%",
    "/model/anthropic.claude-v2:1/invoke",
    "/~a-_.!$&'()*,;=:@",
    "/a?b=c",
    "/?a=1&b=2&a=0",
    "/?b=&a&c==&=d",
    "/?&&a=1&",
    "/?q=a+b%2Bc d",
    "/?q=ä&日=本",
    "/?a-b=1&a=2&a%3D=3",
    "/?X=%7e&x=~",
    '/?q="<>`{}|^[]',
    "/?list-type=2&prefix=a/b&delimiter=/",
]


@pytest.mark.parametrize("name", ["dynamodb", "s3"])
async def test_paths_and_queries(library: Library, name: str) -> None:
    """Unusual paths and queries are signed as they are sent."""
    async with serving(name) as service, library.client(service, auth_for(library, name)) as client:
        for path in PATHS:
            response = await client.get(service.url + path)
            assert (path, response.status_code, service.last.error) == (path, 200, None)


PARAMETERS: list[Any] = [
    {"a": "b c+d", "e": "ä&=?/"},
    {"tag": ["z", "a", "m"], "b": ""},
    [("b", "2"), ("a", "1"), ("b", "1")],
    {"Version": "2012-11-05", "x": "100%", "y": "a%20b", "z": "~*'()!"},
]


@each_library
async def test_parameters_arrive_unchanged(library: Library) -> None:
    """Query parameters arrive as the client would send them without an auth, and are signed."""
    async with serving() as service, library.client(service, auth_for(library)) as client:
        for params in PARAMETERS:
            unsigned = client.build_request("GET", "/x", params=params).url.query.decode()
            response = await client.get("/x", params=params)
            assert (params, response.status_code, service.last.error) == (params, 200, None)
            sent = library.http.QueryParams(service.last.target.partition("?")[2])
            assert sent.multi_items() == library.http.QueryParams(unsigned).multi_items()
            if not library.http.__version__.startswith("0.27."):  # 0.27 does not encode a percent sign
                assert sent.multi_items() == library.http.QueryParams(params).multi_items()


KEYS_OF_S3 = ["a b+c(d)'e!*.txt", "ä/日本.txt", "a//b/", "100%", "~x@y:z,w;v=u&t$s", "..a/.b/c..", "#?"]


@each_library
async def test_keys_of_s3_have_one_encoding(library: Library) -> None:
    """A key of S3 arrives percent-encoded in one canonical form."""
    async with serving("s3", tls=True) as service, library.client(service, auth_for(library, "s3")) as client:
        for key in KEYS_OF_S3:
            written = quote(key, safe="/!*'();:@&=+$,~")  # these are not encoded in a path
            response = await client.put(f"{service.url}/bucket/{written}", content=b"object")
            assert (key, response.status_code, service.last.error) == (key, 200, None)
            assert service.last.target == f"/bucket/{quote(key, safe='/~')}"
            assert service.last.payload == hashlib.sha256(b"object").hexdigest().encode()


async def test_encoded_dot_segments_are_unchanged(library: Library) -> None:
    """Percent-encoded dot segments are part of a key and are sent unchanged."""
    async with serving("s3") as service, library.client(service, auth_for(library, "s3")) as client:
        await client.get(service.url + "/bucket/%2E%2E/%2e/a(b")
        assert service.last.target == "/bucket/%2E%2E/%2e/a%28b"


@each_library
@each_loop
async def test_json_and_target_header_are_signed(library: Library) -> None:
    """A DynamoDB request with JSON and a target header is signed."""
    headers = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
    async with serving() as service, library.client(service, auth_for(library)) as client:
        response = await client.post("/", json={"Key": {"id": {"S": "ä"}}}, headers=headers)
        assert response.json() == {"Key": {"id": {"S": "ä"}}}
        authorization = service.last.headers[b"authorization"]
        assert (
            b"SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target,"
            in (authorization)
        )


@each_library
async def test_forms_and_files(library: Library) -> None:
    """Forms and multipart uploads, which are read for that, are signed."""
    async with serving() as service, library.client(service, auth_for(library)) as client:
        assert (await client.post("/", data={"Action": "X", "b": "a c"})).status_code == 200
        assert (await client.post("/", files={"file": ("name.txt", BytesIO(b"content"))})).status_code == 200
        assert b"content" in service.last.body


async def test_user_headers_are_signed(library: Library) -> None:
    """Repeated headers, whitespace and the user's own host are signed; headers that proxies rewrite are not."""
    headers = [
        ("X-Amz-Meta-A", "2"),
        ("x-amz-meta-a", "1"),
        ("X-Amz-Meta-B", "a   b\t  c"),
        ("Range", "bytes=0-1"),
        ("Host", "bucket.example.com:8443"),
        ("Cookie", "a=b"),
    ]
    async with serving() as service, library.client(service, auth_for(library)) as client:
        assert (await client.get("/", headers=headers)).status_code == 200
        received = service.last
        assert received.headers[b"x-amz-meta-a"] == b"2,1"
        assert received.headers[b"host"] == b"bucket.example.com:8443"
        names = received.headers[b"authorization"].partition(b"SignedHeaders=")[2].partition(b",")[0].split(b";")
        assert b"range" in names
        assert not {b"accept", b"accept-encoding", b"connection", b"cookie", b"user-agent"} & set(names)


async def test_long_term_keys(library: Library) -> None:
    """Requests with long-term keys have no session token, not even that of an older signature."""
    plain = Credentials("AKIAPLAIN", "canary-secret")
    async with serving() as service, library.client(service, auth_for(library, source=Source(plain))) as client:
        service.know(plain)
        stale = {"X-Amz-Security-Token": "old", "Authorization": "old", "X-Amz-Date": "old"}
        assert (await client.get("/", headers=stale)).status_code == 200
        assert b"x-amz-security-token" not in service.last.headers


@each_library
async def test_target_extension(library: Library) -> None:
    """The target of httpcore's ``target`` extension is signed."""
    async with serving("s3") as service, library.client(service, auth_for(library, "s3")) as client:
        response = await client.get("/x", extensions={"target": b"/bucket/../a?b=c"})
        assert (response.status_code, service.last.target) == (200, "/bucket/../a?b=c")


@each_library
@each_loop
async def test_streamed_body_to_s3_is_not_read(library: Library) -> None:
    """A streamed body is sent to S3 over https unsigned, without being read first."""
    async with serving("s3", tls=True) as service, library.client(service, auth_for(library, "s3")) as client:
        response = await client.put("/bucket/key", content=chunks(b"a", b"b"), headers={"Content-Length": "2"})
        assert (response.status_code, response.content, service.last.payload) == (200, b"ab", b"UNSIGNED-PAYLOAD")


@pytest.mark.parametrize(("name", "tls"), [("s3", False), ("dynamodb", True), ("dynamodb", False)])
async def test_other_streamed_bodies_are_read(library: Library, name: str, tls: bool) -> None:
    """Any other streamed body is read, signed, and sent with its length."""
    async with serving(name, tls=tls) as service, library.client(service, auth_for(library, name)) as client:
        response = await client.put("/bucket/key", content=chunks(b"a", b"b"))
        assert (response.status_code, response.content) == (200, b"ab")
        assert service.last.payload == hashlib.sha256(b"ab").hexdigest().encode()
        assert service.last.headers[b"content-length"] == b"2"
        assert b"transfer-encoding" not in service.last.headers


async def test_content_hash_of_the_user(library: Library) -> None:
    """A content hash header of the user, or ``UNSIGNED-PAYLOAD``, is used, so that the body is not read."""
    known = hashlib.sha256(b"ab").hexdigest()
    async with serving("s3") as service, library.client(service, auth_for(library, "s3")) as client:
        for payload in (known, "UNSIGNED-PAYLOAD"):
            headers = {"X-Amz-Content-Sha256": payload}
            response = await client.put("/bucket/key", content=chunks(b"a", b"b"), headers=headers)
            assert (response.status_code, service.last.payload.decode()) == (200, payload)
            assert service.last.headers[b"transfer-encoding"] == b"chunked"
            assert response.request.headers["x-amz-content-sha256"] == payload


@each_library
async def test_sync_stream_is_rejected_by_the_client(library: Library) -> None:
    """The client itself rejects a sync stream, with its own error."""
    async with serving() as service, library.client(service, auth_for(library)) as client:
        with pytest.raises(RuntimeError, match="sync request with an AsyncClient"):
            await client.put("/", content=iter([b"a"]))


@each_loop
async def test_long_bodies_are_hashed_in_a_thread(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of more than a mebibyte is hashed in a daemon thread, which cannot keep the program from ending."""
    hashed: list[int] = []
    real = sigv4.payload_hash

    def seen(body: bytes) -> str:
        if threading.current_thread() is not threading.main_thread():
            assert threading.current_thread().daemon
            hashed.append(len(body))
        return real(body)

    monkeypatch.setattr(_sigv4_auth, "payload_hash", seen)
    async with serving() as service, library.client(service, auth_for(library)) as client:
        for size in (1024 * 1024, 1024 * 1024 + 1):
            assert (await client.post("/", content=bytes(size))).status_code == 200
        assert hashed == [1024 * 1024 + 1]


@each_loop
async def test_one_object_for_many_clients(library: Library) -> None:
    """One object serves many clients and tasks, with one call of its source."""
    source = Source()
    auth = auth_for(library, source=source)
    async with serving() as service:
        async with (
            library.client(service, auth) as one,
            library.client(service, auth) as other,
            anyio.create_task_group() as tasks,
        ):
            for number in range(20):
                tasks.start_soon((one, other)[number % 2].get, f"/{number}")
        assert [received.error for received in service.requests] == [None] * 20
        assert source.calls == 1


@each_library
@each_loop
async def test_request_is_restored(library: Library) -> None:
    """After the response the request has no signature and no token, and can be sent again."""
    async with serving() as service, library.client(service, auth_for(library)) as client:
        seen: list[dict[str, Any]] = []

        async def tracing(event: str, info: dict[str, Any]) -> None:
            seen.append(info)

        request = client.build_request("POST", "/", content=b"x", extensions={"trace": tracing})
        before, extensions = dict(request.headers), dict(request.extensions)
        for _ in range(2):
            response = await client.send(request)
            assert (response.status_code, dict(response.request.headers)) == (200, before)
            assert {name: request.extensions[name] for name in extensions} == extensions
        assert len(seen) > 4  # the user's trace extension is called


@each_library
async def test_event_hook_sees_the_signature(library: Library) -> None:
    """An event hook sees the signed headers, and may add headers."""

    async def hook(request: Any) -> None:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIASET1/")
        request.headers = library.http.Headers({**request.headers, "traceparent": "00-1-2-03"})

    async with serving() as service:
        async with library.client(service, auth_for(library), event_hooks={"request": [hook]}) as client:
            assert (await client.get("/")).status_code == 200
        assert service.last.headers[b"traceparent"] == b"00-1-2-03"


async def test_sts_accepts_the_credentials_of_a_role(library: Library) -> None:
    """A fake STS, which verifies signatures, accepts a request with the credentials of a role."""
    async with FakeAWS() as aws:
        config = ClientConfig(region=REGION, endpoint_url=aws.service_url)
        long_term = Credentials(*aws.key_environ().values())
        provider = cached(from_temporary_credentials(ARN, source_credentials=long_term, client_config=config))
        auth = library.SigV4Auth(provider, service="sts", region=REGION)
        async with library.http.AsyncClient(auth=auth, trust_env=False) as client:
            form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
            response = await client.post(f"{aws.service_url}/", data=form)
        assert response.status_code == 200, response.text
        assert "assumed-role/Demo/" in response.text


async def test_service_rejects_unknown_keys(library: Library) -> None:
    """The service of these tests rejects a signature with an unknown key."""
    unknown = keys().replace(secret_access_key="another")
    async with serving() as service, library.client(service, auth_for(library, source=Source(unknown))) as client:
        assert (await client.get("/")).status_code == 403
        assert service.last.error is not None
        assert service.last.error.code == "SignatureDoesNotMatch"
