"""The library's own values that hold secrets show none of them, as in a debugger or a traceback with variables."""

from __future__ import annotations

from anycreds._config.merging import FileProfile, MergedSettings
from anycreds._config.settings import Setting
from anycreds._core.io import FileVersion
from anycreds._providers.service.token_file import TokenFile
from anycreds._providers.sts.assume_role import Role
from anycreds.testing import CANARY
from anycreds.testing._fake_aws.messages import FakeRequest, FakeResponse
from anycreds.testing._fake_aws.sigv4_verify import SignatureClaim
from support.rows import each_row

TEXT = CANARY.encode()
VALUES = [
    (FileProfile("~/.aws/config", {"aws_secret_access_key": (CANARY, 2)}), "1 settings from ~/.aws/config"),
    (MergedSettings({"aws_secret_access_key": Setting(CANARY, "~/.aws/config:2")}, {}, None, []), "1 settings"),
    (FileVersion(TEXT, (1, 2, 3, 4)), f"{len(TEXT)} bytes"),
    (TokenFile({"accessToken": CANARY}, False, (1, 2, 3, 4)), "TokenFile()"),
    (Role({"ProvidedContexts": CANARY}, "role r (~/.aws/config:3)"), "role r (~/.aws/config:3)"),
    (FakeRequest("POST", "/token", {b"authorization": TEXT}, f"/token?{CANARY}", TEXT), f"/token, {len(TEXT)} bytes"),
    (FakeResponse(200, (("x-token", CANARY),), TEXT), f"200, {len(TEXT)} bytes"),
    (
        SignatureClaim("AKID", "20260101", "us-east-1", "sts", "aws4_request", "t", [], CANARY, CANARY, None),
        "AKID, 20260101/us-east-1/sts",
    ),
]


@each_row("value, shown", VALUES)
def test_repr_shows_what_a_value_is_and_no_secret(value: object, shown: str) -> None:
    """``repr`` of a value with secrets shows its class, and where it is from or how long it is, but no secret."""
    assert type(value).__name__ in repr(value)
    assert shown in repr(value)
    assert CANARY not in repr(value)
