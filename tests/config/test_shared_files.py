"""``SharedFiles``: which files are read, when they are read again, and which malformed files are errors."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Sequence

import pytest

from anycreds._config.profiles import Profiles
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.errors import ConfigParseError, InvalidConfigurationError, ProfileNotFoundError
from anycreds._core.io import FileQuery, FileVersion, ReadFailure
from support.errors import error_of
from support.fake_io import FakeIo, Suspend, run

CONFIG, CREDENTIALS = "/home/x/.aws/config", "/home/x/.aws/credentials"
HOME = {"HOME": "/home/x"}


def read(io: FakeIo, files: SharedFiles | None = None) -> Profiles:
    """Return the profiles of the fake files."""
    return run((files or SharedFiles(FileOptions())).profiles(io))


def read_config(content: bytes) -> Profiles:
    """Return the profiles of a config file without a credentials file."""
    return read(FakeIo(environ=HOME, files={CONFIG: content}))


# --- unchanged files


def test_profiles_are_the_same_object_while_both_files_are_unchanged() -> None:
    """The same ``Profiles`` is returned until one of the files changes, appears or disappears."""
    io, files = FakeIo(environ=HOME, files={CONFIG: b"[default]\na = 1"}), SharedFiles(FileOptions())
    first = read(io, files)
    assert read(io, files) is first
    io.files[CREDENTIALS] = b"[default]\nb = 2"
    second = read(io, files)
    assert second is not first
    assert second.find("default").settings.keys() == {"a", "b"}
    assert read(io, files) is second
    io.files[CONFIG] = b"[default]\na = 3"
    third = read(io, files)
    assert third.find("default").settings["a"].value == "3"
    del io.files[CREDENTIALS]
    fourth = read(io, files)
    assert fourth.find("default").settings.keys() == {"a"}
    assert read(io, files) is fourth
    assert first.find("default").settings["a"].value == "1"  # an older object never changes


def test_missing_files_are_unchanged_files() -> None:
    """Without any file the same ``Profiles`` is returned."""
    io, files = FakeIo(environ=HOME), SharedFiles(FileOptions())
    assert read(io, files) is read(io, files)


class SlowIo(FakeIo):
    """An ``Io`` whose reads take a while: the event loop runs other tasks before they return."""

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        found = await super().read_if_changed(wanted, limit)
        await Suspend()
        return found


def end(coroutine: Coroutine[object, None, Profiles]) -> Profiles:
    """Return the result of a coroutine that has been suspended once."""
    with pytest.raises(StopIteration) as caught:
        coroutine.send(None)
    profiles: Profiles = caught.value.value
    return profiles


def test_unchanged_file_is_not_replaced_by_an_older_one() -> None:
    """A read that began before the file was replaced, and ends late, does not return the old file to others."""
    slow, files = SlowIo(environ=HOME, files={CONFIG: b"[default]\na = 1"}), SharedFiles(FileOptions())
    first = files.profiles(slow)
    first.send(None)
    slow.files[CONFIG] = b"[default]\na = 2"
    assert read(FakeIo(environ=HOME, files=slow.files), files).find("default").settings["a"].value == "2"
    second = files.profiles(slow)  # finds that this version is unchanged
    second.send(None)
    assert end(first).find("default").settings["a"].value == "1"
    assert end(second).find("default").settings["a"].value == "2"


def test_profiles_are_new_at_another_path() -> None:
    """Files with the same contents at another path are other files, and messages contain the new path."""
    io, files = FakeIo(environ=HOME, files={CONFIG: b"[default]", "/etc/aws": b"[default]"}), SharedFiles(FileOptions())
    first = read(io, files)
    io.variables["AWS_CONFIG_FILE"] = "/etc/aws"
    second = read(io, files)
    assert second is not first
    assert second.find("default").origins == ("/etc/aws:1",)


def test_profiles_are_new_without_the_cache() -> None:
    """With ``ignore_cache`` both files are parsed at every call."""
    io, files = FakeIo(environ=HOME, files={CONFIG: b"[default]"}), SharedFiles(FileOptions(ignore_cache=True))
    assert read(io, files) is not read(io, files)


def test_one_file_for_both_kinds() -> None:
    """A file that is named as config and as credentials file is parsed as both, also at the second call."""
    environ = {"AWS_CONFIG_FILE": "/both", "AWS_SHARED_CREDENTIALS_FILE": "/both"}
    io, files = FakeIo(environ=environ, files={"/both": b"[profile a]\nx = 1\n[b]\ny = 2"}), SharedFiles(FileOptions())
    for _ in range(2):
        assert read(io, files).names() == ["a", "b"]


# --- files that do not exist


@pytest.mark.parametrize("by_option", [False, True])
def test_null_device_counts_as_a_missing_file(by_option: bool) -> None:
    """The null device is never opened, and is no error, even as an option."""
    if by_option:
        io, options = FakeIo(environ=HOME), FileOptions(filepath=os.devnull, config_filepath=os.devnull)
    else:
        environ = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        io, options = FakeIo(environ=environ), FileOptions()
    profiles = read(io, SharedFiles(options))
    assert io.reads == []
    error = error_of(profiles.find, "dev", kind=ProfileNotFoundError)
    assert error.message.count(f"{os.devnull} (which does not exist)") == 2


@pytest.mark.fault("L01")
def test_file_of_an_option_must_exist() -> None:
    """A missing file is an error only if an option names it."""
    assert read(FakeIo(environ={**HOME, "AWS_CONFIG_FILE": "/gone"})).names() == []
    files = SharedFiles(FileOptions(config_filepath="/gone"))
    error = error_of(read, FakeIo(environ=HOME), files, kind=InvalidConfigurationError)
    assert str(error) == "shared files: /gone cannot be read: No such file or directory (option config_filepath)"


# --- encodings


@pytest.mark.fault("L07")
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_an_error_that_says_so(encoding: str) -> None:
    """The error for a UTF-16 file, as PowerShell writes it, contains file, line and both encodings."""
    content = "\ufeff[default]\nregion = eu-west-1".encode(encoding)
    error = error_of(read_config, content, kind=ConfigParseError)
    assert (error.path, error.line) == ("~/.aws/config", 1)
    assert str(error) == (
        "shared files: unable to parse ~/.aws/config:1: the file is UTF-16 text; expected UTF-8 (the default location) "
        "(save the file as UTF-8)"
    )


@pytest.mark.fault("L07")
def test_a_byte_that_is_not_utf_8_affects_its_own_profile_only() -> None:
    """A Latin-1 character is an error of the profile that contains it, with its line, and of no other profile."""
    profiles = read_config("[profile a]\nx = 1\nregion = caf\u00e9\n[profile b]\ny = 2\n# \u00e9".encode("latin-1"))
    error = error_of(profiles.find("a").check, kind=ConfigParseError)
    assert (error.path, error.line) == ("~/.aws/config", 3)
    assert error.message == (
        "unable to parse ~/.aws/config:3: the line contains a control character or bytes that are not UTF-8 "
        "(profile 'a')"
    )
    profiles.find("b").check()


# --- malformed profiles


def test_an_indented_second_key_is_an_error_that_names_it() -> None:
    """The error for a key that was indented by mistake contains the key, file and line, and what to do."""
    profiles = read_config(b"[default]\naws_access_key_id = AKID\n  aws_secret_access_key = x\n[profile b]\na = 1")
    error = error_of(profiles.find("default").check, kind=ConfigParseError)
    assert str(error) == (
        "unable to parse ~/.aws/config:3: aws_secret_access_key is indented below another key, so the line is a part "
        "of that key's value (profile 'default') (remove the indentation)"
    )
    profiles.find("b").check()


def test_a_header_without_the_word_profile_is_explained() -> None:
    """The error for a profile whose header lacks the word profile contains its line, and the hint the right header."""
    error = error_of(read_config(b"[dev]\nregion = eu-west-1").find, "dev", kind=ProfileNotFoundError)
    assert "~/.aws/config:1: the section header lacks the word profile" in error.message
    assert error.hint == "write [profile dev]"


# --- diagnostics in the log


def test_each_diagnostic_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A line that is ignored is logged once, with file, line and what to do."""
    files = SharedFiles(FileOptions())
    io = FakeIo(environ=HOME, files={CONFIG: b"[dev]\n[profile a]\na b = 1"})
    for _ in range(2):
        files.log_diagnostics(read(io, files).other_diagnostics())
    ignored, invalid = caplog.messages
    assert ignored == (
        "~/.aws/config:1: the section header lacks the word profile, so the section is ignored (profile 'dev'); "
        "write [profile dev]"
    )
    assert invalid == (
        "~/.aws/config:3: the key has invalid characters, so the line is ignored (profile 'a'); "
        "use only A-Z a-z 0-9 _ - / . % @ : + in keys"
    )
