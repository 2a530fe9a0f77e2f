"""Who may do what on whose data, and at which endpoint: schemas/access.yaml."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, NamedTuple, Protocol, get_args

from msgspec import Meta, Struct

from brobyg_contracts.documents import line_of, read, refused
from brobyg_contracts.domain import ROLES
from brobyg_contracts.errors import UnknownAct
from brobyg_contracts.reference import Reference

#: Everybody's; what a department of the caller's has (without a department in the token: all);
#: what the caller's own organisation has referred or sent; the caller's own; everybody's for who
#: has no department in the token.
Whose = Literal["all", "department", "organisation", "self", "head_office"]
#: Whose session of the portal: anybody's; who was named by command; a helper's or citizen's. Or an
#: act, by whose roles it is.
SignedIn = Literal["signed_in", "administrator", "by_link"]
Sentence = Annotated[str, Meta(min_length=1, max_length=300)]
#: The service's name, or * for every one; the method; the path as the service declares it.
Place = Annotated[str, Meta(pattern=r"^([a-z]+|\*) (GET|POST|PUT|PATCH|DELETE) /\S*$")]


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is done, by the endpoints at which it is."""

    act: Annotated[str, Meta(pattern=r"^[a-z]+(-[a-z]+)*$")]
    #: What it is.
    what: Sentence
    #: Role to those on whose data it may.
    who: Annotated[dict[str, Whose], Meta(min_length=1)]
    #: Why it is allowed, and by which rule.
    why: Sentence
    at: Annotated[tuple[Place, ...], Meta(min_length=1)]


class Open(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints that ask for no token."""

    why: Sentence
    at: Annotated[tuple[Place, ...], Meta(min_length=1)]


class OfSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pages that ask for a session of the portal."""

    #: A word of SignedIn, or an act.
    who: str
    why: Sentence
    at: Annotated[tuple[Place, ...], Meta(min_length=1)]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    acts: Annotated[tuple[Act, ...], Meta(min_length=1)]
    open: tuple[Open, ...] = ()
    sessions: tuple[OfSession, ...] = ()


class Endpoint(NamedTuple):
    """One way into a service."""

    method: str
    path: str


class Who(Protocol):
    """Who asks."""

    @property
    def subject(self) -> str:
        """An opaque id."""

    @property
    def roles(self) -> Collection[str]:
        """What they are."""

    @property
    def organisation(self) -> str | None:
        """For which they act."""

    @property
    def department(self) -> str | None:
        """For which they act; None for head office."""


def act(name: str) -> Act:
    """The row of this act. Raises UnknownAct."""
    found = acts().get(name)
    if found is None:
        raise UnknownAct(f"{name!r} is no act of schemas/access.yaml")
    return found


@lru_cache
def acts() -> Mapping[str, Act]:
    """All rows by act, in the file's order."""
    return {row.act: row for row in table().acts}


@lru_cache
def table() -> Table:
    """The whole table."""
    return load(files(__package__).joinpath("data", "access.yaml"))


def endpoints(service: str) -> Mapping[Endpoint, frozenset[str]]:
    """Each of the service's endpoints and the acts that open it; none for one without a token."""
    found: dict[Endpoint, set[str]] = {}
    for name, place in _places(table()):
        of, method, path = place.split(" ")
        if of in (service, "*"):
            acts_there = found.setdefault(Endpoint(method, path), set())
            if name is not None:
                acts_there.add(name)
    return {endpoint: frozenset(names) for endpoint, names in found.items()}


def services_with(endpoint: Endpoint) -> frozenset[str]:
    """The services that have it."""
    found = (place.split(" ") for _, place in _places(table()))
    return frozenset(service for service, *at in found if tuple(at) == endpoint)


def pages_of_sessions() -> Mapping[Endpoint, str]:
    """The portal's pages that ask for a session, and whose: a word of SignedIn, or an act."""
    return {
        Endpoint(*place.split(" ")[1:]): row.who for row in table().sessions for place in row.at
    }


def reaching_role(
    caller: Who,
    name: str,
    *,
    departments: Collection[str] = (),
    organisations: Collection[str | None] = (),
    subjects: Collection[str | None] = (),
    reference: Reference | None = None,
) -> str | None:
    """In which of their roles the caller may do this with what these have; None for in none.

    The first that the table lets. A department is known by all the ids that `reference` has of it.
    """
    within = {
        "all": True,
        "department": caller.department is None
        or not _ids(caller.department, reference).isdisjoint(departments),
        "organisation": caller.organisation is not None and caller.organisation in organisations,
        "self": caller.subject in subjects,
        "head_office": caller.department is None,
    }
    for role, whose in act(name).who.items():
        if role in caller.roles and within[whose]:
            return role
    return None


def listed_departments(caller: Who, name: str, reference: Reference) -> Sequence[str] | None:
    """The ids of the departments whose things the caller has in a list; None for all.

    For acts that are for all, for departments, and for head office.
    """
    if reaching_role(caller, name) is not None:
        return None
    own = caller.department
    may = own is not None and reaching_role(caller, name, departments=[own]) is not None
    return reference.department_ids(own) if own is not None and may else ()


def _ids(department: str, reference: Reference | None) -> set[str]:
    return {department} if reference is None else {*reference.department_ids(department)}


def _places(table: Table) -> Iterator[tuple[str | None, str]]:
    """Each act and place; None for what asks for no token."""
    for row in table.acts:
        yield from ((row.act, place) for place in row.at)
    without: list[Open | OfSession] = [*table.open, *table.sessions]
    yield from ((None, place) for one in without for place in one.at)


def load(file: Traversable) -> Table:
    """Such a file. Raises InvalidDocument with the line and the reason."""
    found = read(file, Table)
    seen: set[str] = set()
    for row in found.acts:
        line = line_of(file, f"act: {row.act}")
        if row.act in seen:
            raise refused(file, line, f"there is another row of the act {row.act!r}")
        seen.add(row.act)
        if unknown := row.who.keys() - ROLES:
            known = ", ".join(sorted(ROLES))
            raise refused(
                file, line, f"{row.act}: no roles are {sorted(unknown)}; there are {known}"
            )
    for one in found.sessions:
        if one.who not in get_args(SignedIn) and one.who not in seen:
            known = ", ".join(get_args(SignedIn))
            line = line_of(file, f"who: {one.who}")
            raise refused(file, line, f"{one.who!r} is no act, and none of {known}")
    is_open: dict[str, bool] = {}
    for name, place in _places(found):
        if is_open.setdefault(place, name is None) != (name is None):
            raise refused(file, line_of(file, place), f"{place} is open and needs an act")
    return found
