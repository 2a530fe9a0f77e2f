"""Reference data over HTTP, for pages: read by everybody, changed entry by entry."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
from brobyg_contracts.access import reaching_role
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from brobyg_kit.problems import FieldError, Problem
from fastapi import APIRouter, Depends, Header, Path, Query, Response

from brobyg_referral.reference import errors
from brobyg_referral.reference.bodies import BODIES, EntryBody
from brobyg_referral.reference.domain.entries import Entry, ReferenceRecord
from brobyg_referral.reference.use_cases.records import ReferenceRecords

Kind = Literal["place", "department", "organisation", "pool", "postcode", "calendar"]
EntryId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
IfMatch = Annotated[
    str | None, Header(description="The ETag of the entry as you know it; none for a new entry.")
]
Move = Annotated[
    bool, Query(description="Let a postcode move to another municipality, as `--move` does.")
]
_ETAG = re.compile(r'"([1-9][0-9]{0,8})"')
_TITLE = "Some of what was sent is not as it should be"


def create_router(database: Database, records: ReferenceRecords) -> APIRouter:
    """The routes under /reference."""
    router = APIRouter(prefix="/reference", tags=["reference"])
    reader = Depends(requires_act("read-reference"))

    @router.get("/{kind}", summary="All entries of a kind", dependencies=[reader])
    async def listed(kind: Kind) -> list[dict[str, object]]:
        """Also those that were withdrawn, which say so."""
        async with database.transaction() as tx:
            return [_shown(record) for record in await records.listed(tx, kind)]

    @router.get("/{kind}/{entry_id}", summary="One entry", dependencies=[reader])
    async def one(kind: Kind, entry_id: EntryId, response: Response) -> dict[str, object]:
        """Its ETag is what a change gives back as If-Match."""
        with _as_problems():
            async with database.transaction() as tx:
                record = await records.get(tx, f"{kind}/{entry_id}")
        response.headers["ETag"] = _etag(record)
        return _shown(record)

    for form in BODIES.values():
        _add_put(router, database, records, form)
    return router


def _add_put(
    router: APIRouter, database: Database, records: ReferenceRecords, form: type[EntryBody]
) -> None:
    async def put(
        entry_id: EntryId,
        body: EntryBody,
        response: Response,
        caller: Annotated[Caller, Depends(requires_act("change-reference"))],
        if_match: IfMatch = None,
        move: Move = False,
    ) -> dict[str, object]:
        """New without If-Match, else changed: 412 when somebody else was first."""
        if reaching_role(caller, "change-reference") is None:
            raise Problem(
                403, "This is for head office", "the coordinator's token names a department"
            )
        if body.id != entry_id:
            raise Problem(422, _TITLE, errors=[FieldError("/id", f"expected {entry_id}")])
        with _as_problems():
            async with database.transaction() as tx:
                record = await records.put(tx, Entry(body.record()), _version(if_match), move=move)
        response.status_code = 200 if if_match else 201
        response.headers["ETag"] = _etag(record)
        return _shown(record)

    put.__annotations__["body"] = form  # each kind has a form of its own
    router.put(
        f"/{form.KIND}/{{entry_id}}",
        name=f"put_{form.KIND}",
        summary=f"Add or change a {form.KIND}",
        responses={201: {"description": "It is new."}},
    )(put)


def _shown(record: ReferenceRecord) -> dict[str, object]:
    """In the form in which it is put, with its version."""
    shown: dict[str, object] = msgspec.to_builtins(record)
    return {"id": str(shown.pop("record")).partition("/")[2], **shown}


def _etag(record: ReferenceRecord) -> str:
    return f'"{record.version}"'


def _version(if_match: str | None) -> int | None:
    """Raises Problem 400 for what is not an ETag of this service."""
    if if_match is None:
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Problem(
            400, _TITLE, errors=[FieldError("header/If-Match", 'expected an ETag, such as "3"')]
        )
    return int(found[1])


@contextmanager
def _as_problems() -> Iterator[None]:
    """Turn the package's errors into answers."""
    try:
        yield
    except errors.NoSuchEntry as error:
        raise Problem(404, "There is no such entry", str(error)) from None
    except errors.EntryExists as error:
        raise Problem(428, "The entry is there already", str(error)) from None
    except errors.EntryChanged as error:
        raise Problem(412, "The entry was changed meanwhile", str(error)) from None
    except errors.FaultyReference as error:
        faults = [FieldError("", fault.reason) for fault in error.faults]
        raise Problem(
            422, "It does not fit the rest of the reference data", errors=faults
        ) from None
