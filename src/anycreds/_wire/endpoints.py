"""Which host answers for a service in a region: a table, and the few hosts that do not follow it. Asks nobody.

Follows the AWS "SDKs and Tools" reference, pages "Dual-stack and FIPS endpoints" and "AWS STS Regional endpoints".
Hosts cannot leave the domains in the table, whatever the region, as long as that is one label of a DNS name.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from .regions import is_region

Service: TypeAlias = Literal["sts", "sso", "sso-oidc", "signin", "cognito-identity"]
"""As the AWS command line has them; ``sso`` is the portal that hands out credentials of roles."""


class Endpoint(NamedTuple):
    """Where a service is asked, and what for requests are signed there."""

    host: str
    """A name in lower case, asked by https."""
    signing_region: str


class Partition(NamedTuple):
    """A part of AWS with accounts, regions and domains of its own."""

    name: str
    """As in the second field of an ARN."""
    prefixes: str
    """How its regions begin, as a pattern; a word and a number follow, after hyphens."""
    suffix: str
    dualstack_suffix: str
    signin_suffix: str
    has_global: bool = True
    """AWS knows ``<name>-global`` too, for what belongs to no region."""


# The first row is also for regions that nobody knows yet: they are in the public part, or there is no such host.
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
_NAMES = {
    "sts": "sts",
    "sso": "portal.sso",
    "sso-oidc": "oidc",
    "signin": "signin",
    "cognito-identity": "cognito-identity",
}
# Where Cognito's FIPS endpoint answers over IPv6 too, under its old name.
_COGNITO_FIPS_OVER_BOTH = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")


def endpoint_for(service: Service, region: str, *, fips: bool, dualstack: bool) -> Endpoint:
    """Return where a service is asked for a region, which ``check_region`` has accepted.

    STS is asked in the region, always; only ``aws-global`` means the old endpoint for all the world. A region such as
    ``fips-us-east-1`` is ``us-east-1`` with FIPS.
    """
    region, is_pseudo = split_fips_pseudo_region(region)
    fips = fips or is_pseudo
    if (service, region, fips, dualstack) == ("sts", "aws-global", False, False):
        return Endpoint("sts.amazonaws.com", "us-east-1")
    partition = partition_of(region)
    host = _special_host(service, region, partition, fips, dualstack)
    if host is None:
        suffix = partition.dualstack_suffix if dualstack else partition.suffix
        host = f"{_NAMES[service]}{'-fips' if fips else ''}.{region}.{suffix}"
    return Endpoint(host.lower(), region)


def partition_of(region: str) -> Partition:
    """Return the partition that a region is in, by its name."""
    for partition in _PARTITIONS:
        if re.fullmatch(rf"(?:{partition.prefixes})-\w+-\d+", region, re.ASCII):
            return partition
        if partition.has_global and region == f"{partition.name}-global":
            return partition
    return _PARTITIONS[0]


def split_fips_pseudo_region(region: str) -> tuple[str, bool]:
    """Return the region that a name like ``fips-us-east-1`` or ``us-east-1-fips`` means, and whether it is one."""
    real = region.removeprefix("fips-").removesuffix("-fips")
    return (region, False) if real == region or not is_region(real) else (real, True)


def _special_host(service: Service, region: str, partition: Partition, fips: bool, dualstack: bool) -> str | None:
    """Return the host where it does not follow the table; None: it does."""
    if service == "cognito-identity" and partition.name == "aws" and dualstack:
        if not fips:
            return f"cognito-identity.{region}.amazonaws.com"
        return f"cognito-identity-fips.{region}.amazonaws.com" if region in _COGNITO_FIPS_OVER_BOTH else None
    if dualstack or service == "cognito-identity":
        return None
    if service == "signin" and not fips:
        return f"{region}.{partition.signin_suffix}"
    if partition.name != "aws-us-gov" or not fips:
        return None
    if service != "signin":
        return f"{_NAMES[service]}.{region}.amazonaws.com"  # the ordinary hosts there are FIPS hosts
    return f"{'' if region == 'us-gov-west-1' else f'{region}.'}signin-fips.amazonaws-us-gov.com"
