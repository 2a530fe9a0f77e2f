"""One log of who read who somebody is, sealed by a chain of hashes, and only added to."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0005"
down_revision = "delivery_0004"
branch_labels = None
depends_on = None

# An entry is sealed once and changed in nothing else; it goes when its seal has ended. A service's
# login has no right to truncate. That a seal was ended before its time is found by verifying.
_GUARDS = (
    """
create function access_entry_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.seal is null
        and to_jsonb(new) - 'seal' = to_jsonb(old) - 'seal'
        and exists (select from access_seal where no = new.seal and ended_at is null) then
        return new;
    end if;
    if tg_op = 'DELETE' and exists (
        select from access_seal where no = old.seal and ended_at is not null) then
        return old;
    end if;
    raise exception 'the access log is only added to' using errcode = 'restrict_violation';
end $$
""",
    """
create function access_seal_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null
        and to_jsonb(new) - 'ended_at' = to_jsonb(old) - 'ended_at' then
        return new;
    end if;
    raise exception 'the access log is only added to' using errcode = 'restrict_violation';
end $$
""",
    *(
        f"create trigger {table}_guard before update or delete on {table}"
        f" for each row execute function {table}_guard()"
        for table in ("access_entry", "access_seal")
    ),
)


def upgrade() -> None:
    """Create the tables and what guards them."""
    op.create_table(
        "access_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False, comment="The subject of the token."),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False, comment="A code of schemas/purposes.yaml."),
        sa.Column(
            "emergency",
            sa.Text(),
            nullable=True,
            comment="Why somebody read whose data is not theirs to see.",
        ),
        sa.Column(
            "seal",
            sa.BigInteger(),
            nullable=True,
            comment="The seal over it; null for some seconds.",
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="Who read who somebody is or how to reach them, when and what for. Only added to.",
    )
    op.create_index("access_entry_person", "access_entry", ["person_id", "id"], unique=False)
    op.create_index("access_entry_seal", "access_entry", ["seal", "id"], unique=False)
    op.create_table(
        "access_seal",
        sa.Column(
            "no", sa.BigInteger(), autoincrement=False, nullable=False, comment="From 1, no gaps."
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "previous", sa.LargeBinary(), nullable=False, comment="The hash of the seal before."
        ),
        sa.Column(
            "hash", sa.LargeBinary(), nullable=False, comment="SHA-256, see brobyg_kit.access_log."
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its entries were deleted, their time being over.",
        ),
        sa.PrimaryKeyConstraint("no"),
        comment="A chain over the access log: whoever changes an entry breaks it.",
    )
    op.create_index(
        "access_seal_kept",
        "access_seal",
        ["last_read_at"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    for guard in _GUARDS:
        op.execute(guard)
    op.execute(
        "insert into access_entry (person_id, read_at, reader, roles, purpose)"
        " select person_id, exported_at, reader, '{}', 'export' from export_log order by id"
    )
    op.drop_table("export_log")
