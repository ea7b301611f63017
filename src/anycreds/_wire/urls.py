"""One strict parser of URLs, so that the URL that was validated is exactly the URL that is requested.

Parsers disagree about blanks, backslashes, user info, short forms of addresses, and dots. Where the validation and the
HTTP client read a URL differently, an attacker can send requests elsewhere. So only URLs that all of them read alike
are accepted.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .._core.http import Url
from .._core.validation import InvalidValueError

# The usual limit of servers for a whole request line. URLs of endpoints are much shorter.
MAX_URL_LENGTH = 8192
# RFC 3986, path and query. Some clients send other characters unchanged, and some percent-encode them.
_TARGET = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_UNUSABLE = re.compile(r"[^!-~]|\\")  # and the backslash, which some clients read as a slash
_LOOPBACK_6 = bytes(15) + b"\x01"


def parse_url(text: object) -> Url:
    """Return an http or https URL. Raise ``InvalidValueError`` if not all clients read the text alike."""
    return _parse(_check_characters(text))


@lru_cache(maxsize=8)  # every attempt parses the same URL
def _parse(text: str) -> Url:
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        raise InvalidValueError("does not begin with http:// or https://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    host, port = _host_and_port(authority)
    target = "/" + rest[len(authority) :].removeprefix("/")
    if not _TARGET.fullmatch(target):
        raise InvalidValueError("has a path or query with a character that must be percent-encoded")
    if not {".", ".."}.isdisjoint(target.partition("?")[0].split("/")):
        raise InvalidValueError("has a path with . or .. in it")
    return Url(scheme, host, port, target)


def parse_relative_uri(text: object) -> Url:
    """Return the URL for ``AWS_CONTAINER_CREDENTIALS_RELATIVE_URI``: a path at the address of the ECS agent."""
    text = _check_characters(text)
    if text[:1] != "/" or text[1:2] == "/":
        raise InvalidValueError("is not a path that begins with exactly one /")
    return parse_url("http://169.254.170.2" + text)


def parse_endpoint(text: object) -> Url:
    """Return the base URL of a service. Its ``target`` is a prefix of paths, without the last slash."""
    url = parse_url(text)
    if "?" in url.target:
        raise InvalidValueError("has a query, which an endpoint cannot have")
    return url._replace(target=url.target.rstrip("/"))


def is_loopback(url: Url) -> bool:
    """Return whether the host is this machine."""
    address = address_bytes(url.host)
    if address is None:
        return url.host == "localhost"
    return address[0] == 127 if len(address) == 4 else address == _LOOPBACK_6


def is_link_local_or_loopback(url: Url) -> bool:
    """Return whether the host is this machine or on its link, so that requests must not go through a proxy."""
    address = address_bytes(url.host)
    if address is None or is_loopback(url):
        return is_loopback(url)
    if len(address) == 4:
        return address[:2] == bytes((169, 254))
    # fe80::/10 is link-local. fd00:ec2::/32 is for EC2 what 169.254.0.0/16 is in IPv4.
    return address[:4] == b"\xfd\x00\x0e\xc2" or (address[0] == 0xFE and address[1] & 0xC0 == 0x80)


@lru_cache(maxsize=32)  # a request asks for those of its host several times, and a process calls few hosts
def address_bytes(host: str) -> bytes | None:
    """Return the 4 or 16 bytes of an IP address; None if the host is a name.

    The text forms of IPv6 are many, and the ``is_...`` properties of ``ipaddress`` differ between Python versions.
    """
    if ":" not in host:
        parts = host.split(".")
        plain = all(part.isdecimal() and part == str(int(part[:4])) and int(part) < 256 for part in parts)
        return bytes(map(int, parts)) if plain and len(parts) == 4 else None
    try:
        import socket  # it takes 2 ms without an event loop, and few hosts are IPv6 addresses

        return socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return None


def _check_characters(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidValueError(f"is not text but {type(text).__name__}")
    if len(text) > MAX_URL_LENGTH:
        raise InvalidValueError(f"has {len(text)} characters; expected a URL with at most {MAX_URL_LENGTH}")
    if (unusable := _UNUSABLE.search(text)) is not None:
        raise InvalidValueError(f"contains U+{ord(unusable[0]):04X}, which a URL cannot contain")
    if "#" in text:
        raise InvalidValueError("has a fragment (#), which clients never send")
    return text


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise InvalidValueError("has a user name or password (@)")
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        is_ipv6 = ":" in host and re.fullmatch(r"[0-9A-Fa-f:.]+", host) and address_bytes(host) is not None
        if not bracket or (tail and tail[0] != ":") or not is_ipv6:
            raise InvalidValueError("has something in [brackets] that is not an IPv6 address")
    else:
        host, colon, number = authority.partition(":")
        tail = colon + number
        if ":" in number:
            raise InvalidValueError("has more than one colon in its host; write an IPv6 address in [brackets]")
        _check_host_name(host)
    if not tail:
        return host.lower(), None
    digits = tail[1:]
    if not digits.isdigit() or digits[0] == "0" or int(digits[:6]) > 65535:
        raise InvalidValueError("has a port that is not a number from 1 to 65535")
    return host.lower(), int(digits)


def _check_host_name(host: str) -> None:
    if not host:
        raise InvalidValueError("has no host")
    labels = host.removesuffix(".").split(".")
    # The limits are those of DNS. Resolvers raise various errors for other names.
    if len(host) > 253 or not all(0 < len(label) <= 63 for label in labels):
        raise InvalidValueError("has a host with an empty or too long part")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        raise InvalidValueError("has a host with other characters than letters, digits, dots, - and _")
    # Many clients read a host whose last part is a number as an address, in any form (127.1, 0x7f000001).
    if re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]) and address_bytes(host) is None:
        raise InvalidValueError(
            "has a number for a host; write an IPv4 address as four decimal numbers without leading zeros"
        )
