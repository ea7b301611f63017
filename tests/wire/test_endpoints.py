"""Tests that hosts and signing regions equal those of botocore's rules, and that every host is in AWS's domains."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader
from hypothesis import example, given
from hypothesis import strategies as st

from anycreds._wire.endpoints import Endpoint, Service, endpoint_for, is_region, partition_of, split_fips_pseudo_region
from support.rows import each_row

SERVICES: tuple[Service, ...] = get_args(Service)
MADE_UP = [
    "us-nowhere-9", "eu-isoe-nowhere-2", "us-isof-a-1", "us-gov-north-7", "eusc-de-south-12", "eusc-fr-west-1",
    "cn-nowhere-3", "mx-a-1", "xx-nowhere-1", "us-isox-east-1", "us-iso-1", "us-gov-1", "us-gov-east-1b", "us-east",
    "us-east-1a", "1", "x", "a-b-c-d-e", "US-EAST-1", "us-gov-West-1", "aws", "aws-eusc-global", "aws-us-gov",
    "amazonaws-com", "global", "local", "x" * 63,
]  # fmt: skip

# Every domain to which signed requests may be sent.
DOMAINS = (
    ".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".amazonaws.cn", ".amazonaws-eusc.eu",
    ".amazonaws-us-gov.com", ".aws.amazon.com", ".api.aws", ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu", ".c2s.ic.gov", ".c2shome.ic.gov", ".sc2s.sgov.gov", ".sc2shome.sgov.gov",
    ".api.aws.ic.gov", ".api.aws.scloud", ".cloud.adc-e.uk", ".csphome.adc-e.uk", ".api.cloud-aws.adc-e.uk",
    ".csp.hci.ic.gov", ".csphome.hci.ic.gov", ".api.aws.hci.ic.gov",
)  # fmt: skip

regions = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", fullmatch=True)


class Rules:
    """botocore's rule engine over botocore's data."""

    def __init__(self) -> None:
        loader = Loader()
        self.partitions: list[dict[str, Any]] = loader.load_data("partitions")["partitions"]
        old = loader.load_data("endpoints")["partitions"]
        self.known = {name for part in (*self.partitions, *old) for name in part["regions"]}
        self.known |= {  # pseudo regions such as aws-global and fips-us-east-1, by service
            name for part in old for service in part["services"].values() for name in service["endpoints"]
        }
        self._engines = {
            service: EndpointProvider(
                loader.load_service_model(service, "endpoint-rule-set-1"), {"partitions": self.partitions}
            )
            for service in SERVICES
        }

    def endpoint(self, service: Service, region: str, fips: bool, dualstack: bool) -> Endpoint:
        more = {"UseGlobalEndpoint": False} if service == "sts" else {}
        found = self._engines[service].resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dualstack, **more)
        assert found.url.startswith("https://")
        schemes = [scheme for scheme in found.properties.get("authSchemes", ()) if scheme["name"] == "sigv4"]
        signed_for = next((scheme["signingRegion"] for scheme in schemes if "signingRegion" in scheme), region)
        return Endpoint(found.url.removeprefix("https://").lower(), signed_for)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules()


def test_endpoints_equal_botocores(rules: Rules) -> None:
    """Host and region agree for all services and variants, in every region that botocore knows and in invented ones."""
    names = sorted(
        {*(name for name in rules.known if not split_fips_pseudo_region(name)[1] and is_region(name)), *MADE_UP}
    )
    assert len(names) > 60
    compared, different = 0, []
    for service, region, fips, dualstack in product(SERVICES, names, (False, True), (False, True)):
        ours = endpoint_for(service, region, fips=fips, dualstack=dualstack)
        theirs = rules.endpoint(service, region, fips, dualstack)
        compared += 1
        if ours != theirs:
            different.append(f"{service} {region} fips={fips} dualstack={dualstack}: {ours} is not {theirs}")
    assert compared == len(SERVICES) * len(names) * 4
    assert not different, "\n".join(different)


def test_partitions_equal_botocores(rules: Rules) -> None:
    """Every region is in the same partition as in botocore's data, and no partition is missing."""
    for partition in rules.partitions:
        for region in partition["regions"]:
            ours = partition_of(region)
            assert (ours.name, ours.suffix) == (partition["id"], partition["outputs"]["dnsSuffix"])
    assert {partition_of(region).name for region in rules.known} == {part["id"] for part in rules.partitions}


def test_fips_pseudo_regions(rules: Rules) -> None:
    """``fips-x`` and ``x-fips`` have the FIPS host of x and are signed for x, for all that botocore knows."""
    pseudo = sorted(name for name in rules.known if split_fips_pseudo_region(name)[1])
    assert {"us-east-1-fips", "fips-us-gov-west-1"} <= {*pseudo}
    for name, service, dualstack in product(pseudo, SERVICES, (False, True)):
        real = name.replace("fips-", "").replace("-fips", "")  # as botocore does
        assert split_fips_pseudo_region(name) == (real, True)
        for fips in (False, True):
            ours = endpoint_for(service, name, fips=fips, dualstack=dualstack)
            assert ours == rules.endpoint(service, real, True, dualstack)


@each_row("region", ["us-east-1", "fips", "fips--", "fips--x", "x--fips", "afips-x", "x-fipsy", "fips-"])
def test_other_regions_are_unchanged(region: str) -> None:
    """A name in which no region remains without ``fips`` is not a pseudo region."""
    assert split_fips_pseudo_region(region) == (region, False)


def test_sts_endpoints() -> None:
    """STS is called in the region; ``aws-global`` is the global endpoint, signed for us-east-1."""
    assert endpoint_for("sts", "us-east-1", fips=False, dualstack=False).host == "sts.us-east-1.amazonaws.com"
    everywhere = endpoint_for("sts", "aws-global", fips=False, dualstack=False)
    assert everywhere == Endpoint("sts.amazonaws.com", "us-east-1")


@pytest.mark.fault("S05")
@given(service=st.sampled_from(SERVICES), region=regions, fips=st.booleans(), dualstack=st.booleans())
@example(service="signin", region="fips-fips-x", fips=False, dualstack=False)
@example(service="sts", region="fips--x", fips=False, dualstack=False)
def test_random_regions(service: Service, region: str, fips: bool, dualstack: bool) -> None:
    """For any region, the host is in one of AWS's domains, has valid labels only, and is in lower case."""
    assert is_region(region)
    host, signing_region = endpoint_for(service, region, fips=fips, dualstack=dualstack)
    assert host.endswith(DOMAINS)
    assert host == host.lower()
    assert all(is_region(label) for label in host.split("."))
    assert is_region(signing_region)
