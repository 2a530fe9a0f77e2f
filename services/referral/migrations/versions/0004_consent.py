"""Consent has scopes and texts, and is recorded each time it is given and withdrawn.

What was recorded at referrals until now is consent to the help and to messages, of which neither
the text nor who took it was kept. That to messages holds for the citizen: of several referrals that
are active the first one's stands.
"""

import sqlalchemy as sa
from alembic import op

revision = "referral_consent"
down_revision = "referral_0002_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, carry over what referrals had, and drop it there."""
    op.create_table(
        "consent",
        sa.Column("consent_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "scope",
            sa.Text(),
            nullable=False,
            comment="As schemas/consent/scopes.yaml names it.",
        ),
        sa.Column(
            "text_id", sa.Text(), comment="The text agreed to. Null where it was not recorded."
        ),
        sa.Column("text_version", sa.Integer()),
        sa.Column(
            "how", sa.Text(), comment="written, oral or digital. Null where it was not recorded."
        ),
        sa.Column("by_guardian", sa.Boolean(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "taken_by",
            sa.Text(),
            comment="Pseudonym of who recorded it. Null from before it was recorded.",
        ),
        sa.Column("taken_role", sa.Text(), comment="The role in which they did."),
        sa.Column(
            "replaced_at",
            sa.DateTime(timezone=True),
            comment="When the same was agreed to in another text.",
        ),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.Column("withdrawn_by", sa.Text()),
        sa.Column("withdrawn_role", sa.Text()),
        sa.CheckConstraint("(text_id is null) = (text_version is null)", name="consent_text_check"),
        sa.CheckConstraint(
            "replaced_at is null or withdrawn_at is null", name="consent_replaced_check"
        ),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.referral_id"]),
        sa.PrimaryKeyConstraint("consent_no"),
        comment=(
            "What a citizen has consented to and withdrawn, a row each time. What still stands has"
            " neither replaced_at nor withdrawn_at."
        ),
    )
    op.execute(
        "insert into consent"
        " (citizen_id, referral_id, scope, by_guardian, given_at, withdrawn_at)"
        " select citizen_id, referral_id, scope, false, consent_given_at, consent_withdrawn_at"
        " from (select *, row_number() over"
        " (partition by citizen_id, status order by created_at, referral_id) as nth"
        " from referral) as known"
        " cross join (values (1, 'processing'), (2, 'contact')) as covered (no, scope)"
        " where scope = 'processing' or status <> 'active' or nth = 1"
        " order by created_at, referral_id, no"
    )
    op.create_index("consent_citizen", "consent", ["citizen_id"], unique=False)
    op.create_index(
        "consent_standing",
        "consent",
        ["referral_id", "scope"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at is null and replaced_at is null"),
    )
    op.create_index("consent_referral", "consent", ["referral_id", "consent_no"], unique=False)
    op.drop_constraint("referral_consent_check", "referral", type_="check")
    op.drop_column("referral", "consent_given_at")
    op.drop_column("referral", "consent_withdrawn_at")
    op.create_table_comment(
        "referral",
        "A request for help for one citizen. Active is: consent to the help is given and not"
        " withdrawn (table consent); one active referral per citizen and pathway.",
        existing_comment=(
            "A request for help for one citizen. Active is: consent is given and not "
            "withdrawn; one active referral per citizen and pathway."
        ),
    )
