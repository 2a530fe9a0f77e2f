"""Every endpoint of a service x every role x own and foreign organisation and department.

What is expected comes from schemas/access.yaml alone. Each service's test says how its endpoints
are asked; one that is missing here, in the table or in the service fails.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
from brobyg_contracts.access import Endpoint, Whose, act, endpoints
from brobyg_contracts.domain import ROLES
from brobyg_kit.auth import Requirement
from brobyg_kit.event import Event
from brobyg_kit.ids import new_id
from brobyg_kit.parking import Origin, Parking, Received
from brobyg_kit.testing import Running, bearer
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from msgspec import Raw
from starlette.routing import BaseRoute

#: Of another person, organisation and department than those of what is asked for.
ANOTHER = "0190f000-0000-7000-8000-00000000ffff"
OTHER_ORGANISATION = "another-organisation"


@dataclass(frozen=True)
class Own:
    """Whose the things are that the endpoints are asked for."""

    department: str
    other_department: str
    organisation: str = "own-organisation"
    subject: str = ANOTHER.replace("ffff", "0001")


@dataclass(frozen=True)
class Ask:
    """How an endpoint is asked for something that is the owner's."""

    #: Method and path as the service declares it.
    at: str
    #: The path and query that are asked.
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What they are answered who may, but not for this one; None where a list leaves it out.
    outside: int | None = 404
    #: What such a list must not hold, and must for its owner.
    listed: str = ""
    #: Whoever asks does it for themselves and their own organisation, whichever that is.
    for_oneself: bool = False
    #: What all are answered who are let in, where a state of things is in the way; None for 2xx.
    status: int | None = None
    #: What those are answered who are let in after somebody who has done it; None for 2xx.
    again: int | None = None
    #: Who is asked so, where another Ask has the others.
    roles: Collection[str] = ROLES

    @property
    def endpoint(self) -> Endpoint:
        """The row of the table."""
        return Endpoint(*self.at.split(" "))


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: one role, in an organisation and a department."""

    role: str
    scope: str
    organisation: str
    department: str | None
    subject: str

    @property
    def headers(self) -> dict[str, str]:
        """Their token."""
        return bearer(
            self.role,
            subject=self.subject,
            organisation=self.organisation,
            department=self.department,
        )

    def reaches(self, whose: Whose, own: Own, ask: Ask) -> bool:
        """Whether that is theirs, as the table means it."""
        in_department = self.department in (None, own.department)
        return {
            "all": True,
            "department": in_department,
            "organisation": ask.for_oneself or self.organisation == own.organisation,
            "self": ask.for_oneself or self.subject == own.subject,
            "head_office": self.department is None,
        }[whose]


def callers(own: Own) -> Iterator[Caller]:
    """Each role in each scope."""
    there, elsewhere = own.organisation, OTHER_ORGANISATION
    scopes: dict[str, tuple[str, str | None, str]] = {
        "own": (there, own.department, own.subject),
        "another organisation": (elsewhere, own.department, ANOTHER),
        "another department": (there, own.other_department, ANOTHER),
        "head office": (elsewhere, None, ANOTHER),
    }
    for role in sorted(ROLES):
        for scope, (organisation, department, subject) in scopes.items():
            yield Caller(role, scope, organisation, department, subject)


def expected(ask: Ask, acts: Sequence[str], caller: Caller, own: Own) -> int | None:
    """The status by the table; None for who is let in."""
    whose = [act(name).who[caller.role] for name in acts if caller.role in act(name).who]
    if not whose:
        return 403
    if any(caller.reaches(one, own, ask) for one in whose):
        return None
    return ask.outside if ask.outside is not None else 200


async def faults(running: Running, asks: Sequence[Ask], own: Own) -> list[str]:
    """What is answered otherwise than the table says, a line each; for a service on real parts."""
    app, name = running.runtime.app(), running.runtime.service.name
    found = undeclared(app, name)
    table = {one: sorted(acts) for one, acts in endpoints(name).items()}
    asked = {one.endpoint for one in asks}
    found += [f"{one} is never asked" for one, acts in table.items() if acts and one not in asked]
    everybody = [(one, one.headers) for one in callers(own)]
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://matrix") as http:
        for ask in asks:
            acts = table[ask.endpoint]
            found += await _refused(http, ask)
            done, those = False, [one for one in everybody if one[0].role in ask.roles]
            for caller, headers in sorted(those, key=lambda one: _turn(ask, acts, one[0], own)):
                status = expected(ask, acts, caller, own)
                answer = await _ask(http, ask, headers)
                if fault := _fault(answer, ask, status, done):
                    found.append(f"{ask.at} as {caller.role}, {caller.scope}: {fault}")
                done = done or (status is None and answer.is_success)
    return found


async def operators_asks(running: Running) -> list[Ask]:
    """What every service that handles events serves for operators, asked of two dead events."""
    database, parking = running.runtime.database, Parking(running.runtime.service.name)
    assert database is not None
    async with database.transaction() as tx:
        for offset in (2**40, 2**40 + 1):
            subject = new_id(database.clock)
            event = Event(
                id=new_id(database.clock), source="test", type="dk.brobyg.thing.broken",
                subject=subject, time=tx.now, dataschema="", correlationid=subject, sequence=1,
                data=Raw(b"null"),
            )  # fmt: skip
            received = Received(event, Origin("hospital.appointment.v1", 0, offset))
            await parking.park(tx, received, ValueError(), permanent=True)
    one, other = [f"/dead-letters/{dead.id}" for dead in await parking.listed(database)]
    return [
        Ask("GET /operations", "/operations"),
        Ask("GET /dead-letters", "/dead-letters"),
        Ask("GET /dead-letters/{id}", one),
        Ask("POST /dead-letters/{id}/replay", f"{one}/replay"),
        Ask("POST /dead-letters/{id}/discard", f"{other}/discard", {"reason": "mistaken"}),
    ]


def _turn(ask: Ask, acts: Sequence[str], caller: Caller, own: Own) -> int:
    """Who may change it comes last, after who may change but their own."""
    if expected(ask, acts, caller, own) is not None:
        return 0
    return 1 if "self" in {act(name).who.get(caller.role) for name in acts} else 2


async def _refused(http: httpx2.AsyncClient, ask: Ask) -> list[str]:
    status = (await _ask(http, ask, {})).status_code
    return [] if status == 401 else [f"{ask.at} without a token: {status}"]


async def _ask(http: httpx2.AsyncClient, ask: Ask, headers: Mapping[str, str]) -> httpx2.Response:
    return await http.request(
        ask.endpoint.method, ask.path, json=ask.body, headers={**headers, **ask.headers}
    )


def _fault(answer: httpx2.Response, ask: Ask, status: int | None, done: bool) -> str:
    got = answer.status_code
    if status is None:
        good = answer.is_success if ask.status is None else got == ask.status
        if not good and not (done and got == ask.again):
            return f"{got}, expected to be let in: {answer.text[:200]}"
        return "" if ask.listed in answer.text else "what is theirs is not in the list"
    if got != status:
        return f"{got}, expected {status}: {answer.text[:200]}"
    shows = status == 200 and ask.listed and ask.listed in answer.text
    return "what is another's is in the list" if shows else ""


def undeclared(app: FastAPI, service: str) -> list[str]:
    """Where the service's routes and the table differ, a line each."""
    table, served = endpoints(service), dict(_served(app.routes))
    found = [f"{one} is in no row of schemas/access.yaml" for one in served.keys() - table.keys()]
    found += [
        f"{one} is in the table, and {service} has none" for one in table.keys() - served.keys()
    ]
    for one in table.keys() & served.keys():
        if table[one] != served[one]:
            found.append(f"{one}: the table says {set(table[one])}, the code {set(served[one])}")
    return found


def _served(routes: Sequence[BaseRoute]) -> Iterator[tuple[Endpoint, frozenset[str]]]:
    """Each endpoint and the acts that it asks for. HEAD is answered as GET is."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _served(inner.routes)
            continue
        acts = frozenset(_acts(route.dependant)) if isinstance(route, APIRoute) else frozenset()
        for method in getattr(route, "methods", None) or {"MOUNT"}:
            if method != "HEAD":
                yield Endpoint(method, getattr(route, "path", "?")), acts


def _acts(dependant: Dependant) -> Iterator[str]:
    if isinstance(dependant.call, Requirement):
        yield from dependant.call.acts
    for inner in dependant.dependencies:
        yield from _acts(inner)
