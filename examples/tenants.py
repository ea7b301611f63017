"""A worker that does jobs for many tenants, each with a role of its own."""

import anyio

import anycreds

JOBS = [("red", "report"), ("green", "report"), ("red", "invoice"), ("blue", "report")]


class Tenants:
    """The cached providers of all tenants. Each role is assumed once, however many jobs need it."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._source = anycreds.from_default_chain()  # shared: one refresh for the source of all roles
        self._providers: dict[str, anycreds.CachedProvider] = {}

    def provider(self, tenant: str) -> anycreds.CachedProvider:
        """Return the provider of a tenant."""
        if tenant not in self._providers:
            role = anycreds.from_temporary_credentials(
                f"arn:aws:iam::{self._account_id}:role/{tenant}",
                source_credentials=self._source,
                role_session_name=f"worker-{tenant}",
            )
            self._providers[tenant] = anycreds.cached(role)
        return self._providers[tenant]


async def do_job(tenants: Tenants, tenant: str, job: str) -> None:
    """Do one job with the tenant's credentials. A tenant whose role fails does not affect the others."""
    try:
        credentials = await tenants.provider(tenant)()
    except anycreds.CredentialsError as error:
        print(f"{tenant}: {job} skipped: {error}")
        return
    print(f"{tenant}: {job} as {credentials.access_key_id[:4]}…")


async def main() -> None:
    """Do all jobs at once."""
    tenants = Tenants("123456789012")
    async with anyio.create_task_group() as group:
        for tenant, job in JOBS:
            group.start_soon(do_job, tenants, tenant, job)


if __name__ == "__main__":
    anyio.run(main)
