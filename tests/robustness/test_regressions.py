"""Regressions found by robustness tests: each of these failed once."""

from __future__ import annotations

import base64
import gc
import json
import os
import threading
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, LoginRequiredError
from anycreds._core.http import Response
from anycreds._wire.service_errors import error_response, service_error
from anycreds.testing import FakeAWS, Hang, Status
from robustness.environment import Environment, leaks
from support.coroutine_stepper import stepped
from support.errors import error_of
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop

TOKEN = "canary-IQoJb3JpZ2luX2VjEN/with+odd=characters-0123456789"


@pytest.mark.anyio
async def test_login_without_certificates(environment: Any, monkeypatch: Any) -> None:
    """A refresh that fails for missing certificates leaves login credentials that are still valid usable."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")  # HTTPS_PROXY="::" has the same effect
    environment.config = ClientConfig(region="us-east-1")  # https, so that certificates are needed
    assert isinstance(await environment.provider("login")(), Credentials)  # valid for another 60 s


@pytest.mark.fault("L09")
@pytest.mark.parametrize("many", [1000, 20_000])
def test_deep_source_profiles(isolated: Any, many: Any) -> None:
    """A chain of 1,000 or 20,000 profiles is an error at once."""
    text = "[profile p0]\naws_access_key_id = A\naws_secret_access_key = canary\n"
    text += "".join(f"[profile p{n}]\nrole_arn = r\nsource_profile = p{n - 1}\n" for n in range(1, many + 1))
    config = isolated / "config"
    config.write_text(text)
    with pytest.raises(CredentialsError):
        anyio.run(anycreds.from_ini(f"p{many}", config_filepath=str(config)))


@pytest.mark.fault("S14")
@pytest.mark.anyio
@each_loop
@pytest.mark.parametrize("kind", ["sso refresh", "login"])
async def test_cancelled_refresh_keeps_its_token(aws: Any, isolated: Any, kind: Any) -> None:
    """A refresh that is cancelled at any step does not lose the new token: it is in the file."""
    step, cancelled = 0, True
    while cancelled:
        environment = Environment(aws, isolated)
        environment.token_lifetime = -5.0
        provider = environment.provider(kind)
        with anyio.CancelScope() as scope:
            await stepped(provider(), partial(_cancel_at, step, scope))
        cancelled = scope.cancel_called
        await environment.fresh(kind)()  # failed with LoginRequiredError: the new refresh token was lost
        step += 1


VARIANTS = {
    "percent": quote(TOKEN, safe=""),
    "percent, lower": quote(TOKEN, safe="").lower(),
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "JSON": "".join(f"\\u{ord(c):04x}" for c in TOKEN),
    "newline": TOKEN[:9] + "\n" + TOKEN[9:],
    "lines": "\r\n".join(TOKEN[i : i + 8] for i in range(0, len(TOKEN), 8)),
    "zero width": "\u200b".join(TOKEN),
    "cut": TOKEN[:-1],
    "capitals": TOKEN.upper(),
    "hex": TOKEN.encode().hex(),
    "HTML": TOKEN.replace("-", "&#45;"),
}


@pytest.mark.parametrize("how", VARIANTS)
def test_repeated_secrets_are_redacted(how: Any) -> None:
    """An error response that repeats a token, encoded in any way, is shown without it."""
    response = error_response(400, VARIANTS[how][:64], f"bad token {VARIANTS[how]}.", (TOKEN,))
    shown = " ".join(VARIANTS[how].split()).replace("\u200b", " ")[:24]
    assert shown not in f"{response.code} {response.message}"


def test_redirect_to_a_host_with_the_token() -> None:
    """Only the end of a redirect's host is shown, because the host may contain the token."""
    token = "canary0123456789abcdef0123456789abcdef"
    response = Response(302, {"location": f"https://{token}.example.com/"}, b"")
    assert token not in str(service_error(response, error_response(302, None, "", (token,)), "x", "y"))


def _cancel_at(wanted: int, scope: anyio.CancelScope, at: int) -> None:
    if at == wanted:
        scope.cancel()


class CustomExit(BaseException):
    pass


@pytest.mark.anyio
@each_loop
@pytest.mark.parametrize(("kind", "callback"), [("web token", "assumer"), ("role with device", "role_assumer")])
async def test_frames_of_base_exceptions(environment: Any, kind: Any, callback: Any) -> None:
    """A process exit raised by a callback carries no frame of ours with the callback's arguments."""
    for error in (CustomExit, GeneratorExit, SystemExit):

        async def fail(*_: Any, error: Any = error) -> Any:
            await anyio.lowlevel.checkpoint()
            raise error

        for cached in (False, True):
            provider = environment.provider(kind, **{callback: fail})
            provider = anycreds.cached(provider) if cached else provider
            caught: BaseException | None = None
            try:
                await provider()
            except BaseException as found:  # noqa: BLE001 - CustomExit derives from BaseException
                caught = found
            assert caught is not None, (error, cached)
            assert leaks(caught, environment.sent) == [], (error, cached)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sso refresh", "login"])
@pytest.mark.parametrize(
    "more", [b"[" + b"1," * 29_000 + b"1]", b'"' + "é".encode() * 30_000 + b'"'], ids=["list", "accents"]
)
async def test_refresh_of_a_file_near_the_size_limit(environment: Any, kind: Any, more: Any) -> None:
    """A file near the size limit is still readable after a refresh."""
    provider = environment.provider(kind)
    path = environment.path(kind)
    path.write_bytes(path.read_bytes()[:-1] + b', "more": ' + more + b"}")  # 60 KiB: below the limit
    await provider()
    await environment.fresh(kind)()  # failed with LoginRequiredError: the file was larger than 65536 bytes


def test_date_at_the_end_of_time() -> None:
    """A response date in the year 9999 does not correct the clock."""
    from anycreds._config.service_settings import ProfileView
    from anycreds._core.provider import ClientContext
    from anycreds._factories.runtime import as_source_provider
    from anycreds._providers.service.endpoint_resolution import EndpointResolver
    from anycreds._providers.sts.assume_role import AssumeRoleProvider, Role
    from support.fake_io import FakeIo, FakeRuntime, answer, run

    url = "https://sts.us-east-1.amazonaws.com/"
    body = b"<ErrorResponse><Error><Code>RequestExpired</Code></Error></ErrorResponse>"
    io = FakeIo(
        ("POST", url, answer(body, 403, date="Fri, 31 Dec 9999 23:59:59 GMT")),
        ("POST", url, answer(b"", 503, retry_after="2")),
        ("POST", url, answer(b"", 403)),
    )
    endpoints = EndpointResolver(ClientConfig(region="us-east-1"), view=ProfileView())
    role = AssumeRoleProvider(
        FakeRuntime(io), Role({"RoleArn": "r"}, "r"), as_source_provider(Credentials("A", "canary")), endpoints
    )
    with pytest.raises(CredentialsError):
        run(role._fetch(io, ClientContext()))  # failed with ValueError: year 10000 is out of range


@pytest.mark.anyio
@each_loop
async def test_mfa_code_of_a_cancelled_call(aws: Any, environment: Any) -> None:
    """An MFA code whose call was cancelled may have been used, so it is not sent again."""

    async def code(_: Any) -> Any:
        return "123456"

    aws.script("assume role", Hang())
    provider = environment.provider("role with device", mfa_code_provider=code)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(provider)
        while not aws.count():
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    with pytest.raises(anycreds.RetrievalError):
        await provider()
    assert aws.count() == 1  # was 2: the code was sent again


@pytest.mark.anyio
@each_loop
async def test_cancelled_request_body_leaves_no_generator(aws: Any, isolated: Any) -> None:
    """A request cancelled while its body is sent leaves no generator to the garbage collector."""
    for step in range(12):
        environment = Environment(aws, isolated)
        with anyio.CancelScope() as scope:
            await stepped(environment.provider("role")(), partial(_cancel_at, step, scope))
    gc.collect()  # of a generator that is found now, pytest reports the error


@pytest.mark.fault("S13")
@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() != 0, reason="root only")
async def test_owner_of_the_open_file(environment: Any, monkeypatch: Any) -> None:
    """The owner is checked on the open file, not on its path."""
    provider = environment.provider("sso portal")
    path, real = environment.sso_path, os.open
    theirs = path.with_name("theirs")
    theirs.write_text(json.dumps(environment.aws.sso_token()))
    os.chown(theirs, 4321, 4321)

    def swap(name: Any, *rest: Any, **more: Any) -> Any:
        if name == str(path) and theirs.exists():
            theirs.replace(path)  # between checking the path and opening it
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(LoginRequiredError):
        await provider()


@pytest.mark.parametrize("kind", ["sso portal", "token file"])
def test_thread_limit_reached(isolated: Any, monkeypatch: Any, kind: Any) -> None:
    """A provider ends with credentials or a ``CredentialsError`` if no thread can be started."""

    def cannot_start(_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with FakeAWS.in_thread() as aws:
        provider = Environment(aws, isolated).provider(kind)

        async def main() -> None:
            monkeypatch.setattr(threading.Thread, "start", cannot_start)
            try:
                await provider()
            except CredentialsError:
                pass
            finally:
                monkeypatch.undo()

        anyio.run(main)


@pytest.mark.anyio
async def test_callback_that_changes_its_mapping() -> None:
    """A callback that changes its parameters does not change those of the next call."""
    seen: list[str] = []

    async def assumer(params: Any) -> Any:
        seen.append(json.dumps(params, default=str))
        params["PolicyArns"].append({"arn": "evil"})
        params["PolicyArns"][0]["arn"] = "evil"
        return Credentials("A", "canary")

    provider = anycreds.from_web_token(
        "r", "canary-t", role_session_name="s", policy_arns=["p"], role_assumer_with_web_identity=assumer
    )
    await provider()
    await provider()
    assert seen[0] == seen[1]


class Slim(Credentials):
    __slots__ = ()


@pytest.mark.anyio
async def test_subclass_of_credentials() -> None:
    """An instance of a subclass of ``Credentials`` works like the class itself."""
    assert Slim("A", "x") != Slim("B", "y")

    async def function() -> Any:
        return Slim("A", "canary")

    assert (await anycreds.create_credential_chain(function)()).access_key_id == "A"  # failed with TypeError


class Text(str):
    __slots__ = ()

    def strip(self, *_: Any) -> Any:
        raise ValueError


@pytest.mark.anyio
async def test_subclass_of_str(environment: Any) -> None:
    """An MFA code may be an instance of a subclass of ``str``."""

    async def code(_: Any) -> Any:
        return Text("123456")

    assert isinstance(await environment.provider("role with device", mfa_code_provider=code)(), Credentials)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [404, 407, 403])
async def test_proxy_error_does_not_ask_for_sign_in(
    aws: Any, environment: Any, status: Any, without_delays: Any
) -> None:
    """An error response of a proxy to a token refresh is no ``LoginRequiredError``."""
    environment.token_lifetime = -5.0
    aws.script("sso token", Status(status, b"<html>proxy</html>"))
    with pytest.raises(anycreds.RetrievalError) as caught:
        await environment.provider("sso refresh")()
    assert not isinstance(caught.value, LoginRequiredError)


@pytest.mark.fault("U16")
def test_duplicate_members() -> None:
    """A response with two members of the same name is rejected."""
    from anycreds._providers.sso import api

    keys = '"accessKeyId":"A","secretAccessKey":"canary","sessionToken":"canary"'
    response = f'{{"roleCredentials":{{{keys},"accessKeyId":"B","expiration":1893456000000}}}}'
    oidc = '{"accessToken":"canary","accessToken":"canary2","expiresIn":3600}'
    assert "twice" in str(
        error_of(api.parse_credentials, Response(200, {}, response.encode()), "1", "x", kind=CredentialsError)
    )
    assert "twice" in str(
        error_of(api.parse_refresh_response, Response(200, {}, oidc.encode()), 1.7e9, "x", kind=CredentialsError)
    )


@pytest.mark.anyio
async def test_command_with_unprintable_name(aws: Any, environment: Any) -> None:
    """A session name that is not printable does not appear in the suggested command."""
    provider = anycreds.from_sso(
        sso_session="a\u202eb", sso_start_url="x", sso_region="us-east-1", sso_account_id="1", sso_role_name="r"
    )
    with pytest.raises(LoginRequiredError) as caught:
        await provider()
    assert str(caught.value).isprintable()
