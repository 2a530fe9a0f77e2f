"""The service's own tables."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

revision = "reporting_0001"
down_revision = None
branch_labels = ("reporting",)
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    driver = op.get_bind().connection.driver_connection
    for file in sorted(Path(__file__).parents[1].glob("*.sql")):
        await_only(driver.execute(file.read_text(encoding="utf-8")))
