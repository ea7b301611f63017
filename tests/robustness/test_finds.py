"""What attacks have found: each of these failed once."""

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
import pytest

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError, LoginRequiredError
from anycreds._core.http import Response
from anycreds._wire.service_errors import error_response, service_error
from anycreds.testing import FakeAWS, Hang, Status
from robustness.environment import Stage, leaks
from support.coroutine_stepper import stepped

TOKEN = "canary-IQoJb3JpZ2luX2VjEN/with+odd=characters-0123456789"


@pytest.mark.anyio
async def test_login_serves_what_is_valid(stage: Any, monkeypatch: Any) -> None:
    """A refresh that cannot even begin, for want of certificates, leaves what is still valid usable."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")  # the same: HTTPS_PROXY="::", a failing http_client_factory
    stage.config = ClientConfig(region="us-east-1")  # https, so that certificates are needed
    assert isinstance(await stage.provider("login")(), Credentials)  # 60 s are left


@pytest.mark.parametrize("many", [1000, 20_000])
def test_deep_source_profiles(isolated: Any, many: Any) -> None:
    """A chain of far too many profiles is an error of ours, at once."""
    text = "[profile p0]\naws_access_key_id = A\naws_secret_access_key = canary\n"
    text += "".join(f"[profile p{n}]\nrole_arn = r\nsource_profile = p{n - 1}\n" for n in range(1, many + 1))
    config = isolated / "config"
    config.write_text(text)
    with pytest.raises(CredentialsError):
        anyio.run(anycreds.from_ini(f"p{many}", config_filepath=str(config)))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sso refresh", "login"])
async def test_cancelled_refresh_keeps_the_session(aws: Any, isolated: Any, kind: Any) -> None:
    """A refresh that is cancelled at any moment loses no session: the token it got is in the file."""
    step, cancelled = 0, True
    while cancelled:
        stage = Stage(aws, isolated)
        stage.token_lifetime = -5.0
        provider = stage.provider(kind)
        with anyio.CancelScope() as scope:
            await stepped(provider(), partial(_cancel_at, step, scope))
        cancelled = scope.cancel_called
        await stage.fresh(kind)()  # LoginRequiredError: the refresh token is used up, and its successor lost
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
def test_refusals_that_repeat(how: Any) -> None:
    """A refusal that repeats a token in any disguise is shown without it."""
    told = error_response(400, VARIANTS[how][:64], f"bad token {VARIANTS[how]}.", (TOKEN,))
    shown = " ".join(VARIANTS[how].split()).replace("\u200b", " ")[:24]
    assert shown not in f"{told.code} {told.message}"


def test_redirect_to_a_host_with_the_token() -> None:
    """Of a redirect only the end of the host is shown, as the token may stand before it."""
    token = "canary0123456789abcdef0123456789abcdef"
    answer = Response(302, {"location": f"https://{token}.example.com/"}, b"")
    assert token not in str(service_error(answer, error_response(302, None, "", (token,)), "x", "y"))


def _cancel_at(wanted: int, scope: anyio.CancelScope, at: int) -> None:
    if at == wanted:
        scope.cancel()


class Odd(BaseException):
    pass


@pytest.mark.anyio
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("kind", "hook"), [("web token", "assumer"), ("role with device", "role_assumer")])
@pytest.mark.parametrize("error", [Odd, GeneratorExit, SystemExit])
async def test_frames_of_base_exceptions(stage: Any, kind: Any, hook: Any, error: Any, cached: Any) -> None:
    """An exit that a hook raises passes without frames of ours that hold what it was asked with."""

    async def fail(*_: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        raise error

    provider = stage.provider(kind, **{hook: fail})
    provider = anycreds.cached(provider) if cached else provider
    caught: BaseException | None = None
    try:
        await provider()
    except BaseException as found:  # noqa: BLE001 - that is what it is about
        caught = found
    assert caught is not None
    assert leaks(caught, stage.sent) == []


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sso refresh", "login"])
@pytest.mark.parametrize(
    "more", [b"[" + b"1," * 29_000 + b"1]", b'"' + "é".encode() * 30_000 + b'"'], ids=["list", "accents"]
)
async def test_file_that_a_refresh_makes_too_large(stage: Any, kind: Any, more: Any) -> None:
    """A file near the limit is still readable after a refresh."""
    provider = stage.provider(kind)
    path = stage.path(kind)
    path.write_bytes(path.read_bytes()[:-1] + b', "more": ' + more + b"}")  # 60 KiB: below the limit
    await provider()
    await stage.fresh(kind)()  # LoginRequiredError: "is larger than 65536 bytes"


def test_date_at_the_end_of_time() -> None:
    """A date at the end of time corrects no clock."""
    from anycreds._config.service_settings import ProfileView
    from anycreds._core.provider import ClientContext
    from anycreds._factories.runtime import as_source
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
    places = EndpointResolver(ClientConfig(region="us-east-1"), view=ProfileView())
    role = AssumeRoleProvider(
        FakeRuntime(io), Role({"RoleArn": "r"}, "r"), as_source(Credentials("A", "canary")), places
    )
    with pytest.raises(CredentialsError):
        run(role._fetch(io, ClientContext()))  # ValueError: year 10000 is out of range


@pytest.mark.anyio
async def test_code_after_a_cancellation(aws: Any, stage: Any) -> None:
    """A code whose call was cancelled may be used up, and is not sent again."""

    async def code(_: Any) -> Any:
        return "123456"

    aws.script("assume role", Hang())
    provider = stage.provider("role with device", mfa_code_provider=code)
    with anyio.move_on_after(0.05):
        await provider()
    with pytest.raises(anycreds.RetrievalError):
        await provider()
    assert aws.count() == 1  # 2: the code that may be used up is sent again


@pytest.mark.anyio
async def test_body_that_is_cancelled_leaves_no_generator(aws: Any, isolated: Any) -> None:
    """A request that is cancelled while its body is sent leaves nothing for the collector to complain of."""
    for step in range(12):
        stage = Stage(aws, isolated)
        with anyio.CancelScope() as scope:
            await stepped(stage.provider("role")(), partial(_cancel_at, step, scope))
        gc.collect()


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() != 0, reason="root only")
async def test_owner_of_what_is_opened(stage: Any, monkeypatch: Any) -> None:
    """Whose file it is, is asked of the file that is open, not of its path."""
    provider = stage.provider("sso portal")
    path, real = stage.sso_path, os.open
    theirs = path.with_name("theirs")
    theirs.write_text(json.dumps(stage.aws.sso_token()))
    os.chown(theirs, 4321, 4321)

    def swap(name: Any, *rest: Any, **more: Any) -> Any:
        if name == str(path) and theirs.exists():
            theirs.replace(path)  # between the look at the path and its opening
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(LoginRequiredError):
        await provider()


@pytest.mark.parametrize("kind", ["sso portal", "token file"])
def test_no_more_threads(isolated: Any, monkeypatch: Any, kind: Any) -> None:
    """Where the system starts no more threads, files are read all the same."""

    def refuse(_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with FakeAWS.in_thread() as aws:
        provider = Stage(aws, isolated).provider(kind)

        async def main() -> None:
            monkeypatch.setattr(threading.Thread, "start", refuse)
            try:
                await provider()
            except CredentialsError:
                pass
            finally:
                monkeypatch.undo()

        anyio.run(main)


@pytest.mark.anyio
async def test_hook_that_changes_its_mapping() -> None:
    """What a hook does to its parameters changes nothing for the next one."""
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
async def test_credentials_of_another_class() -> None:
    """Credentials of a class of the program count by their fields."""
    assert Slim("A", "x") != Slim("B", "y")

    async def function() -> Any:
        return Slim("A", "canary")

    assert (await anycreds.create_credential_chain(function)()).access_key_id == "A"  # TypeError


class Text(str):
    __slots__ = ()

    def strip(self, *_: Any) -> Any:
        raise ValueError


@pytest.mark.anyio
async def test_text_of_another_class(stage: Any) -> None:
    """A text of a class of the program is a text."""

    async def code(_: Any) -> Any:
        return Text("123456")

    assert isinstance(await stage.provider("role with device", mfa_code_provider=code)(), Credentials)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [404, 407, 403])
async def test_proxy_is_no_reason_to_sign_in(aws: Any, stage: Any, status: Any, in_a_hurry: Any) -> None:
    """A proxy that refuses a refresh is no reason to sign in."""
    stage.token_lifetime = -5.0
    aws.script("sso token", Status(status, b"<html>proxy</html>"))
    with pytest.raises(anycreds.RetrievalError) as caught:
        await stage.provider("sso refresh")()
    assert not isinstance(caught.value, LoginRequiredError)


def test_doubles() -> None:
    """Two members of one name in an answer are refused."""
    from anycreds._providers.sso import portal
    from anycreds._providers.sso import token as sso_tokens

    keys = '"accessKeyId":"A","secretAccessKey":"canary","sessionToken":"canary"'
    answer = f'{{"roleCredentials":{{{keys},"accessKeyId":"B","expiration":1893456000000}}}}'
    oidc = '{"accessToken":"canary","accessToken":"canary2","expiresIn":3600}'
    assert isinstance(portal.credentials_in(Response(200, {}, answer.encode()), "1", "x"), CredentialsError)
    assert isinstance(sso_tokens.refreshed(Response(200, {}, oidc.encode()), 1.7e9, "x"), CredentialsError)


@pytest.mark.anyio
async def test_command_that_reads_backwards(aws: Any, stage: Any) -> None:
    """A name that cannot be printed is in no command."""
    provider = anycreds.from_sso(
        sso_session="a\u202eb", sso_start_url="x", sso_region="us-east-1", sso_account_id="1", sso_role_name="r"
    )
    with pytest.raises(LoginRequiredError) as caught:
        await provider()
    assert str(caught.value).isprintable()
