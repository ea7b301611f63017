"""Host names of AWS services: a table of partitions, and the hosts that do not follow it.

A region that is one label of a DNS name, as ``check_region`` ensures, never leads to a host outside of the domains in
the table.

See: AWS SDKs and Tools Reference Guide, "Dual-stack and FIPS endpoints" and "AWS STS Regional endpoints",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from .._core.validation import InvalidValueError

Service: TypeAlias = Literal["sts", "sso", "sso-oidc", "signin", "cognito-identity"]
"""The names of the AWS CLI. ``sso`` is the portal that returns credentials of roles."""


# One label of a DNS name. A dot or slash in it would send requests, and their signatures, to another host.
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class Endpoint(NamedTuple):
    """The host of a service, and the region for signatures."""

    host: str
    """A name in lower case, for https."""
    signing_region: str


class Partition(NamedTuple):
    """A partition of AWS, which has its own accounts, regions and domains."""

    name: str
    """The second field of an ARN."""
    prefixes: str
    """A pattern of how its regions begin. A word and a number follow, separated by hyphens."""
    suffix: str
    dualstack_suffix: str
    signin_suffix: str
    has_global: bool = True
    """Whether there is a region ``<name>-global``, for resources outside of regions."""


# The first row also serves unknown regions: they are new ones of this partition, or have no host.
_PARTITIONS = (
    Partition("aws", "us|eu|ap|sa|ca|me|af|il|mx", "amazonaws.com", "api.aws", "signin.aws.amazon.com"),
    Partition("aws-cn", "cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "signin.amazonaws.cn"),
    Partition("aws-eusc", "eusc-de", "amazonaws.eu", "api.amazonwebservices.eu", "signin.amazonaws-eusc.eu", False),
    Partition("aws-iso", "us-iso", "c2s.ic.gov", "api.aws.ic.gov", "signin.c2shome.ic.gov"),
    Partition("aws-iso-b", "us-isob", "sc2s.sgov.gov", "api.aws.scloud", "signin.sc2shome.sgov.gov"),
    Partition("aws-iso-e", "eu-isoe", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "signin.csphome.adc-e.uk"),
    Partition("aws-iso-f", "us-isof", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "signin.csphome.hci.ic.gov"),
    Partition("aws-us-gov", "us-gov", "amazonaws.com", "api.aws", "signin.amazonaws-us-gov.com"),
)
_NAMES = {"sso": "portal.sso", "sso-oidc": "oidc"}  # the others are called like their service
# The regions in which Cognito's FIPS endpoint supports IPv6 under its old name.
_COGNITO_DUALSTACK_FIPS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")


def endpoint_for(service: Service, region: str, *, fips: bool, dualstack: bool) -> Endpoint:
    """Return the endpoint of a service in a region that ``check_region`` has accepted.

    ``fips-us-east-1`` is ``us-east-1`` with FIPS. ``aws-global`` is the global endpoint of STS, which is used for no
    other region.
    """
    region, is_pseudo = split_fips_pseudo_region(region)
    fips = fips or is_pseudo
    if (service, region, fips, dualstack) == ("sts", "aws-global", False, False):
        return Endpoint("sts.amazonaws.com", "us-east-1")
    partition = partition_of(region)
    host = _special_host(service, region, partition, fips, dualstack)
    if host is None:
        suffix = partition.dualstack_suffix if dualstack else partition.suffix
        host = f"{_NAMES.get(service, service)}{'-fips' if fips else ''}.{region}.{suffix}"
    return Endpoint(host.lower(), region)


def partition_of(region: str) -> Partition:
    """Return the partition of a region, by its name."""
    for partition in _PARTITIONS:
        if re.fullmatch(rf"(?:{partition.prefixes})-\w+-\d+", region, re.ASCII):
            return partition
        if partition.has_global and region == f"{partition.name}-global":
            return partition
    return _PARTITIONS[0]


def split_fips_pseudo_region(region: str) -> tuple[str, bool]:
    """Return the region without ``fips-`` or ``-fips``, and whether it had one of them."""
    real = region.removeprefix("fips-").removesuffix("-fips")
    return (region, False) if real == region or not is_region(real) else (real, True)


def _special_host(service: Service, region: str, partition: Partition, fips: bool, dualstack: bool) -> str | None:
    """Return a host that does not follow the table; None if it does."""
    if service == "cognito-identity" and partition.name == "aws" and dualstack:
        if not fips:
            return f"cognito-identity.{region}.amazonaws.com"
        return f"cognito-identity-fips.{region}.amazonaws.com" if region in _COGNITO_DUALSTACK_FIPS else None
    if dualstack or service == "cognito-identity":
        return None
    if service == "signin" and not fips:
        return f"{region}.{partition.signin_suffix}"
    if partition.name != "aws-us-gov" or not fips:
        return None
    if service != "signin":
        return (
            f"{_NAMES.get(service, service)}.{region}.amazonaws.com"  # in this partition the usual hosts support FIPS
        )
    return f"{'' if region == 'us-gov-west-1' else f'{region}.'}signin-fips.amazonaws-us-gov.com"


def is_region(value: object) -> bool:
    """Return whether a value can be the name of a region."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None


def check_region(value: object) -> str:
    """Return the name of a region. Raise ``InvalidValueError`` for a value that cannot be one."""
    if not isinstance(value, str):
        raise InvalidValueError(f"is not text but {type(value).__name__}")
    if not is_region(value):
        raise InvalidValueError("cannot be a part of a host name; expected a region such as eu-central-1")
    return value
