"""`after=`: a question about what a command has just changed.

The command's answer has the position of its events in the header `Brobyg-Position`. A question
that carries it waits up to a second until they are folded; what is not there even then, the answer
names in the header `Brobyg-Not-Yet`: an answer that it is not found, too.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated

from brobyg_kit import positions
from brobyg_kit.problems import Problem
from fastapi import Query, Response
from pydantic import AfterValidator

from brobyg_reporting.adapters.queries import Position, Queries
from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.entrypoints.visibility import Reader

HEADER = "Brobyg-Not-Yet"
_WAIT_SECONDS = 1.0
_LOOK_EVERY = 0.05
_ONE = r"[a-z0-9.-]{1,100}:[A-Za-z0-9-]{1,100}:[0-9]{1,18}"
_SEVERAL = re.compile(f"{_ONE}(,{_ONE}){{0,{positions.MOST - 1}}}")


def _positions(text: str | None) -> str | None:
    if text is not None and not _SEVERAL.fullmatch(text):
        raise ValueError(
            f"expected up to {positions.MOST} positions with commas between, each"
            " `topic:subject:sequence` such as brobyg.referral.v1:<id>:7"
        )
    return text


After = Annotated[
    str | None,
    AfterValidator(_positions),
    Query(
        description=(
            "Wait up to a second for this position (`topic:subject:sequence`, as a command's answer"
            f" has it in {positions.HEADER}); {HEADER} of the answer has what is not there yet."
        ),
    ),
]


def waits_for_position(
    queries: Queries, *projections: AnyProjection
) -> Callable[..., AsyncIterator[None]]:
    """A dependency of every question that is answered from these projections."""
    read = [one.table for one in projections]

    # The caller first: who may not ask is told so at once.
    async def wait(_: Reader, response: Response, after: After = None) -> AsyncIterator[None]:
        asked = [_position(one) for one in after.split(",")] if after else []
        missing = await _wait(queries, asked, read) if asked else []
        told = ",".join(positions.header_value({one[:2]: one.sequence}) for one in missing)
        named = {HEADER: told} if told else {}
        response.headers.update(named)
        try:
            yield
        except Problem as problem:
            problem.headers |= named
            raise

    return wait


def _position(text: str) -> Position:
    topic, subject, sequence = text.split(":")
    return Position(topic, subject, int(sequence))


async def _wait(
    queries: Queries, asked: Sequence[Position], read: Sequence[str]
) -> Sequence[Position]:
    """Those that are not there after the wait."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + _WAIT_SECONDS
    while (missing := await queries.missing(asked, read)) and loop.time() < ends:
        await asyncio.sleep(_LOOK_EVERY)
        asked = missing
    return missing
