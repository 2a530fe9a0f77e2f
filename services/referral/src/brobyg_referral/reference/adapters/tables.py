"""The table of the reference data."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from brobyg_referral.metadata import metadata

reference_entry = Table(
    "reference_entry",
    metadata,
    Column("key", Text, primary_key=True, comment="Kind and id, such as department/north."),
    Column("version", Integer, nullable=False, comment="The change that wrote it, counted up."),
    Column("withdrawn", Boolean, nullable=False),
    Column("record", JSONB, nullable=False, comment="As it is in its event."),
    Index("reference_entry_version", "version"),
    comment="Places, departments, organisations, pools, postcodes and calendars, as they are now.",
)
