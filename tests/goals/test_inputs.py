"""Nine readers of untrusted input: changed documents end in whole credentials or in a ``CredentialsError``."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from anycreds._config.client_config import ClientConfig
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.http import Request, Response
from anycreds._core.io import PrivateFile, ProcessResult, ReadFailure
from anycreds._core.provider import ClientContext, Provider
from anycreds._providers.container.provider import ContainerProvider
from anycreds._providers.container.settings import container_options
from anycreds._providers.imds.provider import InstanceMetadataProvider
from anycreds._providers.imds.settings import ImdsOptions
from anycreds._providers.login.provider import LoginProvider
from anycreds._providers.process.provider import ProcessProvider
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sso.provider import SsoProvider
from anycreds._providers.sso.settings import SsoSettings
from anycreds._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider
from support.budget import Budget
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, FakeIo, FakeRuntime, document, run
from support.goals import RecordGoal
from support.login_fixtures import access_token, refresh_response
from support.login_fixtures import document as login_document

# Thousands of errors; other tests search such errors for secrets.
pytestmark = pytest.mark.weak_error_references

EACH = 5_600  # inputs for each of nine readers: 50,000 in total
LONGEST = 0.05  # seconds of processor time for one input
ENDPOINTS = EndpointResolver(ClientConfig(region="eu-central-1"), view=ProfileView())


class AnswerEverything(FakeIo):
    """An ``Io`` that answers every request, file and command with the next of some bodies."""

    def __init__(self, *bodies: bytes) -> None:
        super().__init__(environ={"AWS_EC2_METADATA_DISABLED": "false"})
        self.bodies = list(bodies)

    def next_body(self) -> bytes:
        return self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]

    async def send(self, request: Request) -> Response:
        headers = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        return Response(200, headers, self.next_body())

    async def read_file(self, path: str, limit: int) -> bytes | ReadFailure:
        return self.next_body()[:limit]

    async def read_private(self, path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        return PrivateFile(self.next_body()[:limit], False, (1,))

    async def run_process(self, command: str, timeout: float, limit: int) -> ProcessResult:  # noqa: ASYNC109
        return ProcessResult(0, None, self.next_body(), b"")


class Reader(NamedTuple):
    """A reader of untrusted input."""

    seeds: tuple[bytes, ...]
    """Valid documents, in the order in which an attempt reads them."""
    create: Callable[[bytes], Provider]
    """Returns the provider. The input is that document which was changed."""


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


SSO_TOKEN = {
    "accessToken": "canary-access", "expiresAt": "2024-01-02T03:09:05Z", "refreshToken": "canary-refresh",
    "clientId": "id", "clientSecret": "canary-client", "registrationExpiresAt": "2025-01-02T03:04:05Z",
    "region": "eu-central-1", "startUrl": "https://d-abc123.awsapps.com/start",
}  # fmt: skip
SSO_REFRESHED = {"accessToken": "canary-2", "expiresIn": 3600, "refreshToken": "canary-3", "tokenType": "Bearer"}
SSO_ROLE = {"roleCredentials": {"accessKeyId": KEY_ID, "secretAccessKey": SECRET_KEY, "sessionToken": SESSION_TOKEN,
                                "expiration": 1704186245000}}  # fmt: skip
STS = (
    b'<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    b"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEB</AccessKeyId>"
    b"<SecretAccessKey>canary-s</SecretAccessKey><SessionToken>canary-t</SessionToken>"
    b"<Expiration>2024-01-02T04:04:05Z</Expiration></Credentials><AssumedRoleUser>"
    b"<Arn>arn:aws:sts::123456789012:assumed-role/Demo/me</Arn></AssumedRoleUser>"
    b"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
)
# Without the word that is searched for: what a changed file has as the name of a profile is shown.
FILES = (
    b"[default]\naws_access_key_id = AKID\naws_secret_access_key = hidden-s\naws_session_token = hidden-t\n"
    b"region = eu-west-1\ns3 =\n  max = 1\n[profile other]\nsource_profile = default\n[sso-session x]\nsso_region=y\n"
)
SETTINGS = SsoSettings(
    Setting("https://d-abc123.awsapps.com/start", "a test"),
    Setting("123456789012", "a test"),
    Setting("eu-central-1", "a test"),
    Setting("Dev", "a test"),
    Setting("my-sso", "a test"),
    "dev",
)


def container(body: bytes, uri: str = "http://169.254.170.2/x") -> Provider:
    return ContainerProvider(FakeRuntime(), container_options({"full_uri": uri}), timeout=1.0, max_retries=0)


def instance(body: bytes) -> Provider:
    return InstanceMetadataProvider(FakeRuntime(), ImdsOptions(), files=SharedFiles(FileOptions()))


def at_url(body: bytes) -> Provider:
    return container(body, body.decode("utf-8", "surrogateescape"))


READERS = {
    "container": Reader((dumped(document()),), container),
    "EC2 metadata": Reader((b"canary-token==", b"demo", dumped(document())), instance),
    "process": Reader(
        (dumped({"Version": 1, **{key.replace("Token", "SessionToken"): value for key, value in document().items()}}),),
        lambda _: ProcessProvider(FakeRuntime(), Setting("helper", "a test")),
    ),
    "SSO": Reader(
        (dumped(SSO_TOKEN), dumped(SSO_TOKEN), dumped(SSO_REFRESHED), dumped(SSO_ROLE)),
        lambda _: SsoProvider(FakeRuntime(), SETTINGS, ENDPOINTS),
    ),
    "login": Reader(
        (dumped(login_document(accessToken=access_token(expiresAt="2024-01-02T03:05:05Z"))),) * 2
        + (refresh_response().body,),
        lambda _: LoginProvider(FakeRuntime(), Setting("arn:aws:iam::1:user/me", "a test"), ENDPOINTS, "dev"),
    ),
    "STS": Reader(
        (STS,),
        lambda _: WebIdentityProvider(
            FakeRuntime(), WebIdentityOptions("canary-web", params={"RoleArn": "arn:aws:iam::1:role/D"}), ENDPOINTS
        ),
    ),
    "expiration": Reader((b'"2024-01-02T09:04:05.123456789+01:00"',), container),
    "URL": Reader((b"http://169.254.170.2:80/v2/credentials?id=1",), at_url),
}

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 1.5, -0.0, 1e308, "", " ", "\0", "\r\n", "x" * 20_000, "\ud800", [],
    {}, [[]], {"a": {}}, "\u2028", "caf\u00e9", "2024-02-30T00:00:00Z", "99999-01-01T00:00:00Z", 253402300800,
    "1704186245", 1704186245000, "-5", "nan",
)  # fmt: skip
PIECES = (
    b"\0", b"\r", b"\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b'"',
    b"\\u", b"\\ud800", b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"[" * 5000, b'{"a":' * 3000, b"<", b">", b"</",
    b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"&a;", b"&#0;", b"<![CDATA[", b"<?xml version='1.0' encoding='utf-16'?>",
    b"<a>" * 3000, b"@", b"\\", b"//", b"#", b"%00", b"..", b"[::1]", b"127.1", b":99999", b"\t", b" ", b"=",
    b"[profile ", b"\xe2\x80\xa8", b"T24:00:00", b"Z", b"+99:99", b".000000000000", b"x" * 70_000, b"<html>", b"-",
)  # fmt: skip


def changed(seed: bytes, rng: random.Random) -> bytes:
    """Return a document with one to four changes, of its values if it is JSON, or of its bytes."""
    if rng.random() < 0.4 and seed[:1] in b'{"':
        return changed_json(seed, rng)
    text = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice([0, 0, 1, 1, 5, 50, 10_000]))
        new = rng.choice([b"", rng.choice(PIECES), rng.randbytes(rng.randint(1, 3)), bytes(text[start:end]) * 2])
        text[start:end] = new
    return bytes(text)


def changed_json(seed: bytes, rng: random.Random) -> bytes:
    value = json.loads(seed)
    if not isinstance(value, dict):
        return dumped(rng.choice(ODD_VALUES))
    target = value
    while (name := rng.choice(list(target))) and isinstance(target[name], dict) and rng.random() < 0.8:
        target = target[name]
    how = rng.random()
    if how < 0.15:
        del target[name]
    elif how < 0.85:
        target[name] = rng.choice(ODD_VALUES)
    elif how < 0.95:
        target[name.swapcase()] = rng.choice(ODD_VALUES)
    text = dumped(value)
    return text if how < 0.95 else text[:-1] + b", " + dumped({name: rng.choice(ODD_VALUES)})[1:]


def inputs(reader: Reader, rng: random.Random, count: int) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield changed documents, each with all documents of its attempt."""
    for number in range(count):
        bodies = list(reader.seeds)
        place = number % len(bodies)
        bodies[place] = text = changed(bodies[place], rng)
        yield text, bodies


def assert_whole(credentials: object) -> None:
    """Check the type of each field, and that each text is one that a header can have."""
    assert isinstance(credentials, Credentials)
    texts = (credentials.access_key_id, credentials.secret_access_key)
    optional = (credentials.session_token, credentials.account_id, credentials.credential_scope)
    for text in (*texts, *(text for text in optional if text is not None)):
        assert type(text) is str
        assert text.strip()
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
    if credentials.expiration is not None:
        assert isinstance(credentials.expiration, datetime)
        assert credentials.expiration.utcoffset() is not None


class Tally:
    """Counts the outcomes of one reader."""

    def __init__(self) -> None:
        self.inputs = self.accepted = self.ill_typed = self.other_errors = 0
        self.longest = 0.0
        self.examples: list[str] = []

    async def add(self, text: bytes, read: Callable[[], Awaitable[Credentials]]) -> None:
        self.inputs += 1
        taken, credentials = LONGEST, None
        for _ in range(3):  # again if the garbage collector may have interrupted it
            started = time.thread_time()
            try:
                credentials = await read()
            except CredentialsError:
                credentials = None
            except Exception as error:  # noqa: BLE001 - this is what must not happen
                self.other_errors += 1
                self.examples.append(f"{error!r} for {text[:300]!r}")
                return
            taken = min(taken, time.thread_time() - started)
            if taken < LONGEST / 5:
                break
        self.longest = max(self.longest, taken)
        if credentials is not None:
            self.accepted += 1
            try:
                assert_whole(credentials)
            except AssertionError as error:
                self.ill_typed += 1
                self.examples.append(f"{error} for {text[:300]!r}")

    def record(self, goal: RecordGoal) -> None:
        goal(
            "G9",
            "{inputs} inputs, {accepted} of them valid: {other_errors} other exceptions, {ill_typed} credentials with "
            "a wrong type, at most {longest:.0f} ms of processor time",
            "{inputs} of 50,000, {readers} readers",
            inputs=self.inputs,
            accepted=self.accepted,
            other_errors=self.other_errors,
            ill_typed=self.ill_typed,
            longest=self.longest * 1000,
            readers=1,
        )
        assert self.examples == []
        assert self.longest < LONGEST
        assert self.accepted > 0  # otherwise the input was never near to valid


@pytest.mark.fault("U15", "U19", "S16")
@pytest.mark.goal("G9", long=True)
@pytest.mark.parametrize("name", READERS)
def test_any_input_is_read_or_rejected(name: str, budget: Budget, goal: RecordGoal) -> None:
    """Changed documents of a service, a command or a token file end in whole credentials or a ``CredentialsError``."""
    reader = READERS[name]
    tally = Tally()

    def read(text: bytes, bodies: list[bytes]) -> Coroutine[Any, Any, Credentials]:
        if name == "expiration":
            bodies = [dumped(document(Expiration="?")).replace(b'"?"', text)]
        elif name == "URL":
            bodies = [dumped(document())]
        return reader.create(text)._fetch(AnswerEverything(*bodies), ClientContext())

    for text, bodies in inputs(reader, budget.random(name), budget.count(EACH)):
        run(tally.add(text, partial(read, text, bodies)))
    tally.record(goal)


@pytest.mark.fault("L07", "S01")
@pytest.mark.goal("G9", long=True)
def test_any_shared_file_is_read_or_rejected(isolated: Path, budget: Budget, goal: RecordGoal) -> None:
    """Changed shared files end in whole credentials or a ``CredentialsError``."""
    reader = Reader((FILES,), container)
    tally = Tally()
    path, other = isolated / "config", isolated / "credentials"
    other.touch()

    async def main() -> None:
        for text, _ in inputs(reader, budget.random("files"), budget.count(EACH)):
            path.write_bytes(text)
            await tally.add(text, anycreds.from_ini(config_filepath=str(path), filepath=str(other)))

    anyio.run(main)
    tally.record(goal)
