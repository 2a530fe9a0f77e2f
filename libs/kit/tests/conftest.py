"""Fixtures of the mechanism's tests."""

from collections.abc import AsyncIterator

import pytest
from delivery_parts import Parts, fresh_parts


@pytest.fixture
async def parts(kafka: str, postgres: str) -> AsyncIterator[Parts]:
    """A topic and a database of the test's own."""
    async with fresh_parts(kafka, postgres) as made:
        yield made
