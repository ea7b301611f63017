"""The output of a credential process, and what an error may contain of its command and its stderr."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError
from anycreds._core.http import BODY_LIMIT
from anycreds._providers.process.api import last_stderr_line, parse_credentials, program_name
from anycreds.testing import CANARY
from support.errors import outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, assert_no_secret
from support.rows import each_row

SOURCE = "credential process"
KEYS = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY}
PROFILE_ACCOUNT = "999999999999"


def output(**changes: object) -> bytes:
    """Return an output with all fields; ``...`` omits a field."""
    full = {
        **KEYS,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T09:04:05Z",
        "CredentialScope": "us-east-2",
        "AccountId": "012345678901",
        **changes,
    }
    return json.dumps({name: value for name, value in full.items() if value is not ...}).encode()


def read(content: bytes) -> Credentials | MalformedResponseError:
    found: Credentials | MalformedResponseError
    found = outcome(parse_credentials, content, "the helper", PROFILE_ACCOUNT)
    return found


def valid(content: bytes) -> Credentials:
    """Read an output that must be accepted."""
    found = read(content)
    assert isinstance(found, Credentials), found
    return found


def malformed(content: bytes) -> MalformedResponseError:
    """Read an output that must be rejected; return the error, which contains no secret."""
    error = read(content)
    assert isinstance(error, MalformedResponseError)
    assert error.source == SOURCE
    assert error.hint is not None
    assert "of the helper" in error.message
    assert_no_secret(error)
    return error


def test_all_fields_are_read() -> None:
    """All fields are read, and unknown fields are ignored."""
    assert valid(b"\r\n\t " + output(Other=[{}]) + b"\n") == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        credential_scope="us-east-2",
        source=SOURCE,
    )


@pytest.mark.fault("P09")
def test_required_fields_only() -> None:
    """Without optional fields the credentials do not expire, and the account is the profile's."""
    content = json.dumps(KEYS).encode()
    assert valid(content) == Credentials(KEY_ID, SECRET_KEY, account_id=PROFILE_ACCOUNT, source=SOURCE)
    assert outcome(parse_credentials, content, "the helper").account_id is None


@each_row("absent", ["", None])
@each_row(
    "field, attribute, value",
    [
        ("SessionToken", "session_token", None),
        ("CredentialScope", "credential_scope", None),
        ("AccountId", "account_id", PROFILE_ACCOUNT),
    ],
)
def test_empty_optional_fields(field: str, attribute: str, value: str | None, absent: object) -> None:
    """An empty text or null counts as a missing token, scope or account."""
    assert getattr(valid(output(**{field: absent})), attribute) == value


def test_null_expiration() -> None:
    """``"Expiration": null`` means that the credentials do not expire."""
    assert valid(output(Expiration=None)).expiration is None


@each_row("number, account", [(123456789012, "123456789012"), (12345678901, "012345678901"), (1, "000000000001")])
def test_account_id_as_a_number(number: int, account: str) -> None:
    """An account may be a number, which has lost its leading zeros."""
    assert valid(output(AccountId=number)).account_id == account


@each_row("number", [-1, 0, 10**12, 10**400])
def test_number_that_is_no_account_id(number: int) -> None:
    """A number that cannot be an account is malformed."""
    assert malformed(output(AccountId=number)).message == (
        "AccountId in the output of the helper is not a number of 12 digits"
    )


@pytest.mark.fault("P09")
@each_row("version", [b"1", b"1.0", b"1e0"])
def test_version_is_the_number_1_in_any_notation(version: bytes) -> None:
    """The version is the number 1, in any notation of JSON."""
    assert valid(output(Version=7).replace(b"7", version, 1)).access_key_id == KEY_ID


@pytest.mark.fault("P09")
@each_row("version", ["1", 2, 0, 1.5, True, None, [1], {"1": 1}, -1, 1e300, (10**400)])
def test_other_version_is_malformed(version: object) -> None:
    """A text, a truth value or another number is not version 1."""
    error = malformed(output(Version=version))
    assert (error.field, error.message) == ("Version", "Version in the output of the helper is not the number 1")


@pytest.mark.fault("P09")
@each_row("field", ["Version", "AccessKeyId", "SecretAccessKey"])
def test_missing_field(field: str) -> None:
    """Three fields are required."""
    error = malformed(output(**{field: ...}))
    assert (error.field, error.message) == (field, f"{field} in the output of the helper is missing")


@pytest.mark.fault("U19")
@each_row("field", ["AccessKeyId", "SecretAccessKey"])
def test_null_key(field: str) -> None:
    """Null is not a key."""
    error = malformed(output(**{field: None}))
    assert (error.field, error.message) == (field, f"{field} in the output of the helper is null")


@pytest.mark.fault("U19")
@each_row("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "CredentialScope", "AccountId"])
def test_invalid_text_in_a_field_is_malformed(field: str) -> None:
    """A value that is blank, not printable or not text is malformed, and is not converted."""
    for value in (True, ["x"], " ", "a\nb", *([] if field == "AccountId" else [17])):
        assert malformed(output(**{field: value})).field == field, value


@pytest.mark.fault("U19")
@each_row("field", ["AccessKeyId", "SecretAccessKey", "Expiration"])
def test_empty_field(field: str) -> None:
    """An empty text is neither a key nor an expiration."""
    assert malformed(output(**{field: ""})).field == field


@each_row("text", ["tomorrow", "2024-01-02", "2024-13-02T09:04:05Z", "1704186245000", "Tue, 02 Jan 2024 09:04:05 GMT"])
def test_invalid_expiration(text: str) -> None:
    """An invalid expiration is malformed; it does not mean that the credentials never expire."""
    assert malformed(output(Expiration=text)).field == "Expiration"


@each_row(
    "text", ["2024-01-02T09:04:05Z", "2024-01-02T10:04:05+01:00", "2024-01-02T09:04:05.000000Z", "2024-01-02T09:04:05"]
)
def test_expiration_has_rfc_3339_format(text: str) -> None:
    """An expiration has RFC 3339 format with any offset; without an offset it is in UTC."""
    assert valid(output(Expiration=text)).expiration == datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC)


def test_past_expiration() -> None:
    """The reader has no clock, so it accepts credentials that have expired."""
    assert valid(output(Expiration="1999-01-01T00:00:00Z")).expiration == datetime(1999, 1, 1, tzinfo=UTC)


@pytest.mark.fault("U17", "P09")
@each_row(
    "content, reason",
    [
        (b"", "is empty"),
        (b"[" + output() + b"]", "is JSON, but not an object"),
        (output() + output(), "is not JSON"),
        (output()[:-1], "is not JSON"),
        (b"Enter MFA code: " + output(), "is not JSON"),
        (
            b"\xef\xbb\xbf" + output(),
            "begins with a byte order mark; expected UTF-8 without one",
        ),
        (output().replace(b"us-east-2", b"\xff\xfe"), "is not UTF-8 text"),
        (b"[" * BODY_LIMIT, "has more than 200 objects and arrays"),
    ],
)
def test_output_that_is_no_json_object(content: bytes, reason: str) -> None:
    """An output that is not one JSON object in UTF-8 is malformed, and the error has the reason."""
    assert malformed(content).message == f"the output of the helper {reason}"


@pytest.mark.fault("U16")
@each_row("field", json.loads(output()))
def test_duplicate_field(field: str) -> None:
    """A field that appears twice is malformed."""
    error = malformed(output()[:-1] + f', "{field}": "canary"}}'.encode())
    assert (error.field, error.message) == (field, f"{field} in the output of the helper appears twice")


def test_output_of_aws_sts_assume_role() -> None:
    """The output of ``aws sts assume-role`` is malformed, and the hint has the expected format."""
    error = malformed(json.dumps({"Credentials": KEYS}).encode())
    assert error.field == "Version"
    assert '{"Version": 1, "AccessKeyId"' in str(error)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr).map(str.encode))
def test_any_output_is_accepted_or_malformed(content: bytes) -> None:
    """Any output is either accepted or malformed."""
    read(content)


@given(
    st.dictionaries(
        st.sampled_from(list(json.loads(output()))),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_any_values_are_accepted_or_malformed(changes: dict[str, object]) -> None:
    """Any values of the fields are either accepted or malformed."""
    read(output(**changes))


@pytest.mark.fault("P08")
@each_row(
    "command, name",
    [
        ("helper", "helper"),
        ("'/opt/my tools/helper' --key canary", "helper"),
        (f"TOKEN={CANARY} B='canary canary' /opt/helper.sh x", "helper.sh"),
        ("C:/tools/helper.exe x", "helper.exe"),
        ('"C:\\tools\\helper.exe" x', "helper.exe"),
        (f"helper {CANARY}" + " x" * 100_000, "helper"),
        (f"TOKEN={CANARY}", "the command"),
        (f"$({CANARY})", "the command"),
        (f"(helper) {CANARY}", "the command"),
        (f"helper;{CANARY}", "the command"),
        (f"'helper {CANARY}", "the command"),
        (f"helper 'x {CANARY}" + " x" * 1000 + "'", "the command"),
        (SECRET_KEY.replace("/", "+"), "the command"),
    ],
)
def test_only_the_name_of_a_program_is_displayed(command: str, name: str) -> None:
    """Only a word in the form of a program's name is displayed; another one may be a secret."""
    assert program_name(command) == name


@pytest.mark.fault("P03")
@each_row(
    "stderr, line",
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"Error: session expired", "Error: session expired"),
        (b"Traceback:\n  File 1\nKeyError: 'x'\r\n\n", "KeyError: 'x'"),
        (b"a\x1b[31mb\x00c\td\xff", "a [31mb c d\ufffd"),
        (b"word " * 100, "word " * 39 + "wo..."),
        (b"no profile dev in /home/user/.config/helper/config.json", "unchanged"),
        (b"unknown option --duration-seconds", "unchanged"),
        (b"no such file: /opt/scripts/credentials.py", "unchanged"),
        (b"helper: failed", "unchanged"),
        (b"wrong: s3cretword", None),
        (b"wrong: S3CRET-WORD", None),
        (b"wrong: czNjcmV0d29yZCB4eHh4", None),
        (b"wrong: optionvalue", None),
        (b"wrong: userpassword", None),
        (b"wrong: variablevalue", None),
        (b"wrong: nestedvalue", None),
        (b"key AKIAIOSFODNN7EXAMPLE", None),
        (b"got wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
        (b"fine\npassword: x", None),
        (b"password: x\nfine", "fine"),
    ],
)
def test_last_stderr_line_is_displayed_unless_it_may_be_secret(stderr: bytes, line: str | None) -> None:
    """The last line of stderr is displayed, unless it may contain a secret."""
    command = (
        "VARIABLE=variablevalue helper --duration-seconds 900 /opt/scripts/credentials.py "
        "s3cretword --option=optionvalue https://user:userpassword@host sh -c 'x; y nestedvalue' --profile dev"
    )
    assert last_stderr_line(stderr, command) == (stderr.decode() if line == "unchanged" else line)


def test_stderr_of_a_python_module() -> None:
    """The name of a Python module that a command runs is no secret, in contrast to its arguments."""
    command = "PASSWORD=variablevalue python3 -m helper_module s3cretword"
    assert last_stderr_line(b"helper_module: failed", command) == "helper_module: failed"
    assert last_stderr_line(b"helper_module: s3cretword", command) is None
    assert last_stderr_line(b"helper_module: variablevalue", command) is None


@pytest.mark.fault("P03")
@each_row("command", [("helper 'x"), ("helper " + "x " * 1000)])
def test_stderr_of_a_command_that_cannot_be_split(command: str) -> None:
    """If the arguments of a command are unknown, its stderr may contain one of them, so no line is displayed."""
    assert last_stderr_line(b"fine", command) is None
    assert last_stderr_line(b"", command) == ""
