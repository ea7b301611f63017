"""One strict reading of a URL, so that what was checked is exactly what is asked.

Parsers disagree about blanks, backslashes, user info, short addresses and dots, and whoever finds a text on which the
check and the HTTP client disagree sends our requests elsewhere. So only what all of them read alike is read here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .._core.credentials import InvalidReason

# What servers commonly take as a whole request line; an endpoint's URL never comes near it.
LONGEST_URL = 8192
# RFC 3986, path and query: what else is in there, one client sends as it is and another one percent-encodes.
_TARGET = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
# Where ECS and EKS serve credentials, as "169.254.170.2", "169.254.170.23" and "fd00:ec2::23".
_CONTAINER_HOSTS = (bytes((169, 254, 170, 2)), bytes((169, 254, 170, 23)), bytes.fromhex("fd000ec2" + "00" * 11 + "23"))
_LOOPBACK_6 = bytes(15) + b"\x01"
ALLOWED_FOR_CONTAINERS = (
    "https, or http to localhost, 127.0.0.0/8, [::1], 169.254.170.2, 169.254.170.23, [fd00:ec2::23]"
)


class Url(NamedTuple):
    """A URL in the one form that is asked: lower-case scheme and host, no user info, no fragment."""

    scheme: str
    host: str
    """A name or an address; IPv6 without its brackets."""
    port: int | None
    target: str
    """Path and query, as sent."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown, as a path or query can be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.target


def parse(text: str) -> Url | InvalidReason:
    """Read an http or https URL, or say what is wrong with it, without repeating it."""
    if problem := _wrong_characters(text):
        return problem
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        return InvalidReason("does not begin with http:// or https://")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    place = _host_and_port(rest[:cut])
    if isinstance(place, InvalidReason):
        return place
    target = rest[cut:] if rest[cut : cut + 1] == "/" else "/" + rest[cut:]
    return _wrong_target(target) or Url(scheme, *place, target)


def relative(text: str) -> Url | InvalidReason:
    """Read ``AWS_CONTAINER_CREDENTIALS_RELATIVE_URI``: a path on the container agent's address and nothing else."""
    if problem := _wrong_characters(text):
        return problem
    if text[:1] != "/" or text[1:2] == "/":
        return InvalidReason("is not a path that begins with exactly one /")
    url = parse("http://169.254.170.2" + text)
    if isinstance(url, Url) and (url.host, url.port) != ("169.254.170.2", None):
        return InvalidReason("leads to another host")
    return url


def endpoint(text: str) -> Url | InvalidReason:
    """Read the base URL of a service: ``target`` is then a prefix for paths, without its last slash."""
    url = parse(text)
    if isinstance(url, InvalidReason):
        return url
    if "?" in url.target:
        return InvalidReason("has a query, which an endpoint cannot have")
    return url._replace(target=url.target.rstrip("/"))


def container_problem(url: Url) -> InvalidReason | None:
    """Say why container credentials may not come from this URL; None: they may.

    Follows the AWS "SDKs and Tools" reference, page "Container credential provider". Addresses are compared as packed
    bytes: what a library calls "loopback" differs between Python versions for IPv4 addresses inside of IPv6.
    """
    packed = _packed(url.host)
    if url.scheme == "https" or url.host == "localhost" or packed in (*_CONTAINER_HOSTS, _LOOPBACK_6):
        return None
    if packed is not None and len(packed) == 4 and packed[0] == 127:
        return None
    return InvalidReason(f"leads to {url.origin}, where container credentials may not come from")


def is_loopback(url: Url) -> bool:
    """Tell whether the host is this machine."""
    packed = _packed(url.host)
    if packed is None:
        return url.host == "localhost"
    return packed[0] == 127 if len(packed) == 4 else packed == _LOOPBACK_6


def is_direct(url: Url) -> bool:
    """Tell whether the host is on this machine or its link, so that no proxy may come between."""
    packed = _packed(url.host)
    if packed is None:
        return url.host == "localhost"
    if len(packed) == 4:
        return packed[0] == 127 or packed[:2] == bytes((169, 254))
    # fe80::/10 is link-local; fd00:ec2::/32 is where EC2 has what IPv4 has at 169.254.0.0/16.
    return (
        packed == _LOOPBACK_6 or packed[:4] == b"\xfd\x00\x0e\xc2" or (packed[0] == 0xFE and packed[1] & 0xC0 == 0x80)
    )


def _wrong_characters(text: object) -> InvalidReason | None:
    if not isinstance(text, str):
        return InvalidReason(f"is not text but {type(text).__name__}")
    if len(text) > LONGEST_URL:
        return InvalidReason(f"has {len(text)} characters; a URL has {LONGEST_URL} at most")
    for character in text:
        if not "!" <= character <= "~" or character == "\\":
            return InvalidReason(f"contains U+{ord(character):04X}, which cannot stand in a URL")
    return InvalidReason("has a fragment (#), which is never sent") if "#" in text else None


def _host_and_port(authority: str) -> tuple[str, int | None] | InvalidReason:
    if "@" in authority:
        return InvalidReason("has a user name or password (@)")
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and tail[0] != ":") or not _is_ipv6(host):
            return InvalidReason("has something in [brackets] which is not an IPv6 address")
    else:
        host, colon, number = authority.partition(":")
        tail = colon + number
        if ":" in number:
            return InvalidReason("has more than one colon in its host: an IPv6 address needs [brackets]")
        if problem := _wrong_name(host):
            return problem
    if not tail:
        return host.lower(), None
    digits = tail[1:]
    if not digits.isdigit() or digits[0] == "0" or int(digits[:6]) > 65535:
        return InvalidReason("has a port that is not a number from 1 to 65535")
    return host.lower(), int(digits)


def _wrong_name(host: str) -> InvalidReason | None:
    if not host:
        return InvalidReason("has no host")
    labels = host.removesuffix(".").split(".")
    # The bounds are those of DNS; beyond them resolvers raise errors of their own kinds.
    if len(host) > 253 or not all(0 < len(label) <= 63 for label in labels):
        return InvalidReason("has a host with an empty or too long part")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        return InvalidReason("has a host with other characters than letters, digits, dots, - and _")
    # Many clients take a host whose last part is a number for an address, whatever its form (127.1, 0x7f000001).
    if re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]) and _ipv4(host) is None:
        return InvalidReason(
            "has a number for a host: write an IPv4 address as four decimal numbers without leading zeros"
        )
    return None


def _wrong_target(target: str) -> InvalidReason | None:
    if not _TARGET.fullmatch(target):
        return InvalidReason("has a path or query with a character that must be percent-encoded")
    if not {".", ".."}.isdisjoint(target.partition("?")[0].split("/")):
        return InvalidReason("has a path with . or .. in it")
    return None


def _ipv4(host: str) -> bytes | None:
    parts = host.split(".")
    plain = all(part.isdecimal() and part == str(int(part[:4])) and int(part) < 256 for part in parts)
    return bytes(map(int, parts)) if plain and len(parts) == 4 else None


def _is_ipv6(host: str) -> bool:
    return ":" in host and re.fullmatch(r"[0-9A-Fa-f:.]+", host) is not None and _packed(host) is not None


def _packed(host: str) -> bytes | None:
    """Return the bytes of an address; None: it is a name."""
    if ":" not in host:
        return _ipv4(host)
    import socket  # only here: programs with plain environment keys never load it through us

    try:
        return socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return None
