"""Whether a service's database is as its migration leaves it: closed, and its own login let in.

What was restored from a backup may be neither: everybody can enter a database that is new.
"""

from collections.abc import Iterable

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_kit import tables

#: Who signs in as the owner, as in a test, has no login of its own that others are kept apart from.
_FOUND = text("""
    select has_database_privilege('public', oid, 'connect')
            and not pg_has_role(current_user, datdba, 'usage') as open,
        array(
            select name from unnest(cast(:names as text[])) as name
            where to_regclass(name) is not null and not (
                has_table_privilege(name, 'select') and has_table_privilege(name, 'insert')
                and has_table_privilege(name, 'update') and has_table_privilege(name, 'delete')
            )
            order by name
        ) as closed
    from pg_database where datname = current_database()
""")


async def trouble_with_rights(connection: AsyncConnection, own: Iterable[Table]) -> str:
    """What is not as granted, for readiness; '' where all is. `own` are the service's tables."""
    names = [f"{table.schema or 'public'}.{table.name}" for table in _with_delivery(own)]
    found = (await connection.execute(_FOUND, {"names": names})).one()
    if found.open:
        return "every login of the server can enter it, as after a restore"
    if found.closed:
        return f"its login lacks a right to {', '.join(found.closed)}, as after a restore"
    return ""


def _with_delivery(own: Iterable[Table]) -> list[Table]:
    return [*tables.metadata.sorted_tables, *own]
