"""Alembic's environment for every service: run by `brobyg_kit.migrate`, never by itself."""

from typing import cast

from alembic import context
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from sqlalchemy import Connection, MetaData

_attributes = context.config.attributes
_schemas: set[str | None] = _attributes["schemas"]


def _include_name(name: str | None, kind: NameFilterType, parents: NameFilterParentNames) -> bool:
    """Compare the schemas that the service's tables are declared in, and no others."""
    del parents
    return kind != "schema" or name in _schemas


context.configure(
    connection=cast("Connection", _attributes["connection"]),
    target_metadata=cast("list[MetaData]", _attributes["metadata"]),
    on_version_apply=_attributes["on_version_apply"],
    include_schemas=True,
    include_name=_include_name,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
