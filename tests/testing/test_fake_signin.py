"""The fake of sign-in: refreshes of a console login with verified DPoP proofs."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from anycreds.testing import CANARY, Expired, FakeAWS, ManualClock, ServiceError
from anycreds.testing._fake_aws.dpop import url_of
from anycreds.testing._fake_aws.messages import FakeRequest
from support import plain_http

USER = "arn:aws:iam::123456789012:user/anycreds-fake-user"
CLIENT = "arn:aws:signin:::devtools/same-device"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def aws(clock: ManualClock) -> Iterator[FakeAWS]:
    with FakeAWS.in_thread(clock=clock) as aws:
        yield aws


def encoded(value: bytes | Mapping[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def find_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


class Prover:
    """Creates valid and invalid DPoP proofs, without this library's code."""

    def __init__(self, aws: FakeAWS, pem: str) -> None:
        self.aws = aws
        self.key = find_key(pem)
        self.made = 0

    def jwk(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": encoded(numbers.x.to_bytes(32)),
            "y": encoded(numbers.y.to_bytes(32)),
        }

    def proof(
        self, head: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None, between: bytes = b""
    ) -> str:
        self.made += 1
        full_head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk(), **(head or {})}
        full_claims = {
            "htm": "POST",
            "htu": self.aws.service_url + "/v1/token",
            "iat": int(self.aws.clock.time()),
            "jti": f"proof-{self.made}",
            **(claims or {}),
        }
        return self.signed(f"{encoded(full_head)}.{encoded(full_claims)}", between)

    def signed(self, text: str, between: bytes = b"") -> str:
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{encoded(r.to_bytes(32) + between + s.to_bytes(32))}"


def refresh(aws: FakeAWS, token: Mapping[str, Any], proof: str | None, /, **changed: Any) -> httpx.Response:
    form = {"clientId": token["clientId"], "grantType": "refresh_token", "refreshToken": token["refreshToken"]}
    given = {name: value for name, value in {**form, **changed}.items() if value != "absent"}
    headers = {} if proof is None else {"DPoP": proof}
    return plain_http.post(aws.service_url + "/v1/token", json=given, headers=headers)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    document = response.json()
    assert document.keys() == {"error", "message"}
    return response.status_code, response.headers["x-amzn-ErrorType"], document["error"]


WRONG = (400, "ValidationException", "INVALID_REQUEST")


@pytest.mark.parametrize("key_format", ["sec1", "pkcs8"])
def test_token_has_the_fields_of_a_cache_file(aws: FakeAWS, key_format: Any) -> None:
    """The token has the fields of a cache file, and each of its secrets contains ``CANARY``."""
    token = aws.login_token(expires_in=600, key_format=key_format)
    assert token.keys() == {"accessToken", "tokenType", "clientId", "refreshToken", "dpopKey"}
    access = token["accessToken"]
    assert access.keys() == {"accessKeyId", "secretAccessKey", "sessionToken", "accountId", "expiresAt"}
    assert (access["accountId"], access["expiresAt"]) == ("123456789012", "2026-01-01T00:10:00Z")
    assert (token["tokenType"], token["clientId"]) == ("aws_sigv4", CLIENT)
    for secret in (access["secretAccessKey"], access["sessionToken"], token["refreshToken"], token["dpopKey"]):
        assert CANARY in secret
    begin = "-----BEGIN EC PRIVATE KEY-----" if key_format == "sec1" else "-----BEGIN PRIVATE KEY-----"
    assert token["dpopKey"].startswith(begin)
    assert find_key(token["dpopKey"]).key_size == 256
    assert aws.login_token()["dpopKey"] != token["dpopKey"]


def test_user_is_settable(aws: FakeAWS) -> None:
    """Another user can log in, and is refreshed as that user."""
    arn = "arn:aws:sts::210987654321:assumed-role/Admin/user"
    token = aws.login_token(arn=arn, region="eu-west-1", expires_in=-1)
    assert (token["signInRegion"], token["accessToken"]["accountId"]) == ("eu-west-1", "210987654321")
    assert token["accessToken"]["expiresAt"] == "2025-12-31T23:59:59Z"


def test_refresh_token_is_accepted_once(aws: FakeAWS) -> None:
    """A refresh token is accepted once, and returns credentials and the next refresh token."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    response = refresh(aws, token, prover.proof())
    fresh = response.json()
    assert fresh.keys() == {"accessToken", "tokenType", "expiresIn", "refreshToken"}
    assert fresh["accessToken"].keys() == {"accessKeyId", "secretAccessKey", "sessionToken"}
    assert (fresh["tokenType"], fresh["expiresIn"]) == ("aws_sigv4", 900)
    assert fresh["accessToken"]["accessKeyId"] != token["accessToken"]["accessKeyId"]
    assert CANARY in fresh["refreshToken"]
    assert refresh(aws, {**token, **fresh}, prover.proof()).status_code == 200
    used = refresh(aws, token, prover.proof())
    assert error_of(used) == (400, "AccessDeniedException", "TOKEN_EXPIRED")
    assert (aws.reused_refresh_tokens, aws.count("sign-in token")) == (1, 3)
    assert dict(aws.exchanges[0].parameters) == {
        "clientId": CLIENT,
        "grantType": "refresh_token",
        "refreshToken": f"({len(token['refreshToken'])} characters)",
    }


def test_the_lifetime_is_settable(aws: FakeAWS) -> None:
    """``login_lifetime`` sets the lifetime of credentials, up to AWS's maximum."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    for lifetime, expected in ((60, 60), (3600, 900)):
        aws.login_lifetime = lifetime
        token |= refresh(aws, token, prover.proof()).json()
        assert token["expiresIn"] == expected


# The private key 1, which no user has.
FOREIGN = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABoAoGCCqGSM49
AwEHoUQDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/
m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END EC PRIVATE KEY-----
"""


def by_another_hash(prover: Prover) -> str:
    text = prover.proof().rpartition(".")[0]
    r, s = decode_dss_signature(prover.key.sign(text.encode(), ec.ECDSA(SHA384())))
    return f"{text}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


Change = Callable[[Prover], str | None]


INVALID_PROOFS: list[tuple[Change, str]] = [
    (lambda _: None, "not a compact JWS"),
    (lambda _: "one.two", "not a compact JWS"),
    (lambda prover: prover.proof() + "=", "cannot be decoded"),
    (lambda prover: "x." + prover.proof().partition(".")[2], "cannot be decoded"),
    (lambda prover: prover.signed(f"{encoded(b'[]')}.{encoded(b'{}')}"), "cannot be decoded"),
    (lambda prover: prover.proof({"alg": "none"}), "alg is not ES256"),
    (lambda prover: prover.proof({"typ": "JWT"}), "typ not dpop+jwt"),
    (lambda prover: prover.proof({"jwk": None}), "not a public key on P-256"),
    (lambda prover: prover.proof({"jwk": {**prover.jwk(), "kty": "RSA"}}), "not a public key on P-256"),
    (lambda prover: prover.proof({"jwk": {**prover.jwk(), "crv": "P-384"}}), "not a public key on P-256"),
    (lambda prover: prover.proof({"jwk": {**prover.jwk(), "d": "x"}}), "not a public key on P-256"),
    (lambda prover: prover.proof({"jwk": {**prover.jwk(), "x": "AA"}}), "not a public key on P-256"),
    (lambda prover: prover.proof({"jwk": {**prover.jwk(), "x": prover.jwk()["y"]}}), "signature is wrong"),
    (lambda prover: prover.proof({"jwk": Prover(prover.aws, FOREIGN).jwk()}), "signature is wrong"),
    (lambda prover: prover.proof()[:-8], "signature is wrong"),
    (lambda prover: prover.proof(between=b"\0"), "signature is wrong"),
    (by_another_hash, "signature is wrong"),
    (lambda prover: prover.proof(claims={"htm": "GET"}), "htm is not the method"),
    (lambda prover: prover.proof(claims={"htu": prover.aws.service_url + "/token"}), "htu is not the URL"),
    (lambda prover: prover.proof(claims={"htu": "https://signin.aws.amazon.com/v1/token"}), "htu is not the URL"),
    (lambda prover: prover.proof(claims={"iat": prover.aws.clock.time() - 301}), "iat is not within five minutes"),
    (lambda prover: prover.proof(claims={"iat": prover.aws.clock.time() + 301}), "iat is not within five minutes"),
    (lambda prover: prover.proof(claims={"iat": float("nan")}), "iat is not within five minutes"),
    (lambda prover: prover.proof(claims={"iat": "now"}), "iat is not within five minutes"),
    (lambda prover: prover.proof(claims={"iat": True}), "iat is not within five minutes"),
    (lambda prover: prover.proof(claims={"jti": ""}), "has no jti"),
    (lambda prover: prover.proof(claims={"jti": 7}), "has no jti"),
]


def test_invalid_proofs_are_rejected(aws: FakeAWS) -> None:
    """Each invalid proof is rejected, and does not consume the refresh token."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    for number, (change, message) in enumerate(INVALID_PROOFS):
        response = refresh(aws, token, change(prover))
        assert (number, error_of(response)) == (number, WRONG)
        assert message in response.json()["message"], number
        accepted = refresh(aws, token, prover.proof())
        assert (number, accepted.status_code) == (number, 200)
        token |= accepted.json()


def test_proof_is_accepted_once(aws: FakeAWS, clock: ManualClock) -> None:
    """A proof is accepted once, within five minutes of its time."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    proof = prover.proof(claims={"iat": clock.time() - 300})
    token |= refresh(aws, token, proof).json()
    again = refresh(aws, token, proof)
    assert (error_of(again), again.json()["message"]) == (WRONG, "the DPoP proof was used before")
    assert refresh(aws, token, prover.proof(claims={"iat": clock.time() + 300})).status_code == 200


def test_a_refresh_token_is_bound_to_its_key(aws: FakeAWS) -> None:
    """A login accepts any key at its first refresh, and only that key afterwards."""
    token = aws.login_token()
    prover, other = Prover(aws, FOREIGN), Prover(aws, token["dpopKey"])
    token |= refresh(aws, token, prover.proof()).json()
    response = refresh(aws, token, other.proof(claims={"jti": "other"}))
    assert (error_of(response), response.json()["message"]) == (WRONG, "the refresh token is bound to another DPoP key")
    assert refresh(aws, token, prover.proof()).status_code == 200


def test_invalid_parameters_are_rejected(aws: FakeAWS) -> None:
    """The parameters must be three strings for a refresh by the AWS CLI."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    invalid: list[dict[str, Any]] = [
        {"clientId": "absent"},
        {"grantType": "absent"},
        {"refreshToken": "absent"},
        {"refreshToken": ""},
        {"refreshToken": 7},
        {"grantType": "authorization_code"},
        {"clientId": "another"},
        {"more": "x"},
    ]
    for changed in invalid:
        assert (changed, error_of(refresh(aws, token, prover.proof(), **changed))) == (changed, WRONG)


def test_other_methods_and_bodies_are_rejected(aws: FakeAWS) -> None:
    """A wrong method gets a 405, and malformed JSON is rejected."""
    url = aws.service_url + "/v1/token"
    assert plain_http.get(url).status_code == 405
    assert error_of(plain_http.post(url, content=b"{", headers={"Content-Type": "application/json"})) == WRONG
    assert error_of(plain_http.post(url, data={"clientId": CLIENT})) == WRONG


def test_access_can_be_denied(aws: FakeAWS) -> None:
    """With ``login_error``, access is denied with that error."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    reasons: list[Any] = ["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "INSUFFICIENT_PERMISSIONS"]
    for why in reasons:
        aws.login_error = why
        assert error_of(refresh(aws, token, prover.proof())) == (400, "AccessDeniedException", why)
    aws.login_error = None
    assert refresh(aws, token, prover.proof()).status_code == 200


def test_unknown_refresh_token(aws: FakeAWS) -> None:
    """An unknown refresh token, or one of OIDC's, is rejected as expired."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    for other in ("made up", aws.sso_token()["refreshToken"]):
        response = refresh(aws, token, prover.proof(), refreshToken=other)
        assert error_of(response) == (400, "AccessDeniedException", "TOKEN_EXPIRED")
    assert aws.reused_refresh_tokens == 0


def test_faults_have_the_format_of_sign_in(aws: FakeAWS) -> None:
    """``ServiceError`` is encoded in sign-in's format, and ``Expired`` returns expired credentials."""
    token = aws.login_token()
    prover = Prover(aws, token["dpopKey"])
    aws.script("sign-in token", ServiceError(429, "TooManyRequestsError", "slow down", "rate_exceeded"), Expired(90))
    busy = refresh(aws, token, prover.proof())
    assert error_of(busy) == (429, "TooManyRequestsError", "rate_exceeded")
    assert refresh(aws, token, prover.proof()).json()["expiresIn"] == -90


def test_url_of_a_request_has_the_scheme_of_its_host() -> None:
    """The URL of a request has the scheme http on loopback, and https on other hosts."""
    for host, url in (
        ("127.0.0.1:8080", "http://127.0.0.1:8080/v1/token"),
        ("[::1]:8080", "http://[::1]:8080/v1/token"),
        ("localhost", "http://localhost/v1/token"),
        ("eu-west-1.signin.aws.amazon.com", "https://eu-west-1.signin.aws.amazon.com/v1/token"),
        ("eu-west-1.signin.aws.amazon.com:8443", "https://eu-west-1.signin.aws.amazon.com:8443/v1/token"),
    ):
        assert url_of(FakeRequest("POST", "/v1/token", {b"host": host.encode()}, "/v1/token?x")) == url


def test_without_cryptography(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cryptography, ``login_token()`` raises, and a refresh gets an error response with the reason."""
    token = aws.login_token()
    proof = Prover(aws, token["dpopKey"]).proof()
    for name in [name for name in sys.modules if name.startswith(("cryptography", "anycreds.testing._fake_aws.dpop"))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match="needs the package cryptography"):
        aws.login_token()
    response = refresh(aws, token, proof)
    assert error_of(response) == (500, "InternalServerException", "server_error")
    assert "needs the package cryptography" in response.json()["message"]
