"""A worker that does jobs for many tenants, each with a role of its own."""

import anyio

import anycreds

ACCOUNT_ID = "123456789012"
JOBS = [("red", "report"), ("green", "report"), ("red", "invoice"), ("blue", "report")]

base = anycreds.from_default_chain()  # shared: one refresh for the source of all roles


def role_of(tenant: str) -> anycreds.Provider:
    """Return the role of a tenant. It is assumed once, however many jobs need it."""
    return anycreds.from_temporary_credentials(
        f"arn:aws:iam::{ACCOUNT_ID}:role/{tenant}", source_credentials=base, role_session_name=f"worker-{tenant}"
    )


roles = anycreds.RoleCache(role_of)


async def do_job(tenant: str, job: str) -> None:
    """Do one job with the tenant's credentials. A tenant whose role fails does not affect the others."""
    try:
        credentials = await roles(tenant)
    except anycreds.CredentialsError as error:
        print(f"{tenant}: {job} skipped: {error}")
        return
    print(f"{tenant}: {job} as {credentials.access_key_id[:4]}…")


async def main() -> None:
    """Do all jobs at once."""
    async with anyio.create_task_group() as group:
        for tenant, job in JOBS:
            group.start_soon(do_job, tenant, job)


if __name__ == "__main__":
    anyio.run(main)
