"""``ClientConfig`` validates every option, is immutable, and does not display secrets."""

from __future__ import annotations

import copy
import pickle
import ssl
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds import ClientConfig, InvalidConfigurationError
from anycreds.testing import CANARY
from support.rows import each_row


class Context:
    """A TLS context of a library other than ``ssl``."""

    def wrap_bio(self) -> None:
        """Be there."""


def factory() -> None:
    """A function."""


CONTEXT = Context()
FULL: dict[str, Any] = {
    "region": "eu-central-1",
    "endpoint_url": f"http://127.0.0.1:8080/{CANARY}/x/",
    "use_fips": False,
    "use_dualstack": True,
    "http_client_factory": factory,
    "ssl_context": CONTEXT,
    "max_attempts": 5,
    "app_id": "shop.v1",
}
OTHER: dict[str, Any] = {
    "region": "us-west-2",
    "endpoint_url": "https://127.0.0.1",
    "use_fips": True,
    "use_dualstack": False,
    "http_client_factory": partial(factory),
    "ssl_context": Context(),
    "max_attempts": 1,
    "app_id": "x",
}


def test_options_are_attributes() -> None:
    """Each option is an attribute, and None if it is not given."""
    config = ClientConfig(**FULL)
    assert {name: getattr(config, name) for name in FULL} == FULL
    assert {getattr(ClientConfig(), name) for name in FULL} == {None}
    assert set(ClientConfig.__slots__) == set(FULL)


def test_options_are_keyword_only() -> None:
    """Options are keyword-only, and unknown ones are rejected."""
    make: Any = ClientConfig
    with pytest.raises(TypeError, match="positional"):
        make("eu-central-1")
    with pytest.raises(TypeError, match="timeout"):
        make(timeout=1)


@each_row("name", FULL)
def test_attribute_cannot_be_changed(name: str) -> None:
    """No attribute can be set, changed or deleted."""
    config = ClientConfig(**FULL)
    for attempt in (partial(setattr, config, name, OTHER[name]), partial(delattr, config, name)):
        with pytest.raises(AttributeError, match="frozen"):
            attempt()
    with pytest.raises(AttributeError, match="frozen"):
        setattr(config, "color", "red")  # noqa: B010 - mypy knows that there is no such name
    assert not hasattr(config, "__dict__")
    assert config == ClientConfig(**FULL)


@each_row("name", FULL)
def test_configs_with_equal_options_are_equal(name: str) -> None:
    """Objects with the same values are equal and have the same hash; one different option makes them unequal."""
    config = ClientConfig(**FULL)
    assert config == ClientConfig(**FULL)
    assert hash(config) == hash(ClientConfig(**FULL))
    assert config != ClientConfig(**{**FULL, name: OTHER[name]})
    assert config != ClientConfig(**{**FULL, name: None})
    assert config != tuple(FULL.values())


def test_copy_is_the_object_itself() -> None:
    """A copy of an immutable object is the object itself."""
    config = ClientConfig(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert copy.copy(config) is config
    assert copy.deepcopy(config) is config


def test_config_is_pickled() -> None:
    """A pickled object is equal, and one with an option of another version is an error that names it."""
    config = ClientConfig(**{**FULL, "ssl_context": None, "http_client_factory": dict})
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(config, protocol)) == config
    function, (options,) = config.__reduce_ex__(2)
    with pytest.raises(InvalidConfigurationError, match="no option unheard_of"):
        function({**options, "unheard_of": 1})


def test_repr_shows_no_url() -> None:
    """``repr`` contains the options that are given; of the URL, whose path may be a secret, only its name."""
    shown = repr(ClientConfig(**FULL))
    assert shown == (
        "ClientConfig(app_id='shop.v1', endpoint_url=..., http_client_factory=..., max_attempts=5, "
        "region='eu-central-1', ssl_context=..., use_dualstack=True, use_fips=False)"
    )
    assert CANARY not in shown
    assert repr(ClientConfig()) == "ClientConfig()"
    assert repr(ClientConfig(use_fips=False)) == "ClientConfig(use_fips=False)"


@each_row(
    "name, value",
    [
        *[("region", region) for region in ("us-east-1", "aws-global", "fips-us-east-1", "x", "1", "x" * 63)],
        *[("endpoint_url", url) for url in ("http://a", "https://[::1]:1/", "https://vpce.example/a%20b")],
        *[("max_attempts", number) for number in (1, 2, 100)],
        *[("app_id", name) for name in ("x" * 50, "Az09!#$%&'*+-.^_`|~")],
        ("ssl_context", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        ("http_client_factory", Context),
    ],
)
def test_valid_option_is_stored_unchanged(name: str, value: Any) -> None:
    """Valid values are stored unchanged."""
    assert getattr(ClientConfig(**{name: value}), name) is value


@each_row("name", ["region", "endpoint_url", "app_id"])
@each_row("blank", ["", "  "])
def test_blank_is_absent(name: str, blank: Any) -> None:
    """A blank text counts as None."""
    assert getattr(ClientConfig(**{name: blank}), name) is None


@each_row(
    "name, value",
    [
        *[("region", region) for region in (f"{CANARY}.com", "a_b", "a\n", 1, b"a")],
        *[("endpoint_url", url) for url in ("a", f"http://{CANARY}@a", f"http://a?{CANARY}", "http://a:0", 1, b"http://a")],
        *[(name, value) for name in ("use_fips", "use_dualstack") for value in ("true", 1, 0, "")],
        *[("http_client_factory", value) for value in (CONTEXT, "httpx.AsyncClient", 1)],
        *[("ssl_context", value) for value in (True, False, f"/{CANARY}/ca.pem", factory)],
        *[("max_attempts", value) for value in (0, -1, 101, 10**9, 3.0, "3", True)],
        *[("app_id", value) for value in ("x" * 51, f"{CANARY} x", "a/b", "a\r\nX: y", "\u00e9", "\u0661", 1, b"a")],
    ],
)  # fmt: skip
def test_invalid_option_is_rejected_by_name(name: str, value: Any) -> None:
    """An invalid value is an error that contains the option's name and not the value."""
    with pytest.raises(InvalidConfigurationError, match=rf"^client_config: {name} ") as caught:
        ClientConfig(**{**FULL, name: value})
    assert CANARY not in str(caught.value)


@pytest.mark.fault("S05")
@given(st.text())
def test_accepted_region_is_a_label_of_a_dns_name(region: str) -> None:
    """Every accepted region is one label of a DNS name."""
    try:
        taken = ClientConfig(region=region).region
    except InvalidConfigurationError:
        return
    assert taken == (region if region.strip() else None)
    if taken is None:
        return
    assert region.isascii()
    assert region.replace("-", "").isalnum()
    assert 0 < len(region) < 64
