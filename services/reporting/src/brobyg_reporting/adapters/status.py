"""How the projections are: which version is shown, how far it has come, how many rows it has, how the last rebuild went."""

from typing import Any

import msgspec

from brobyg_reporting.adapters.store import Connection, schema
from brobyg_reporting.adapters.topics import Offsets
from brobyg_reporting.adapters.versions import TABLES, fingerprint, live_offsets


async def projection_status(connection: Connection, ends: Offsets | None = None) -> dict[str, Any]:
    """The state of the versions as JSON; with `ends`, the topics' ends, also the lag in records."""
    active = await connection.fetchrow("select version, switched_at from reporting.active_version")
    assert active  # the migration puts it there
    rows: dict[str, int] = {}
    for table, _ in TABLES:
        # The names are from our own code.
        count = f"select count(*) from {schema(active['version'])}.{table}"  # noqa: S608
        rows[table] = await connection.fetchval(count)
    offsets = await live_offsets(connection)
    rebuilds = await connection.fetch(
        "select version, state, fingerprint, started_at, finished_at, events, seconds, result::text from reporting.rebuild order by version desc limit 5"
    )
    built = next((row for row in rebuilds if row["version"] == active["version"]), None)
    status: dict[str, Any] = {
        "active_version": active["version"],
        "switched_at": active["switched_at"],
        "same_code": built is None or built["fingerprint"] in {"", fingerprint()},
        "rows": rows,
        "offsets": [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for (topic, partition), offset in sorted(offsets.items())
        ],
        "rebuilds": [_rebuild(dict(row)) for row in rebuilds],
    }
    if ends is not None:
        status["lag"] = sum(max(0, end - offsets.get(at, 0)) for at, end in ends.items())
    return status


def _rebuild(row: dict[str, Any]) -> dict[str, Any]:
    del row["fingerprint"]
    text = row.pop("result")
    return {**row, "tables": msgspec.json.decode(text) if text else []}
