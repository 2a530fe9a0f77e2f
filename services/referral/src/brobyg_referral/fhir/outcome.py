"""OperationOutcome: how everything under /fhir says what went wrong, and where. Never holds a value of what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from brobyg_kit.problems import Problem

Severity = Literal["fatal", "error", "warning", "information"]
#: The codes of FHIR R4 IssueType that are used here.
Code = Literal[
    "invalid", "structure", "required", "value", "invariant", "security", "login", "forbidden", "processing", "not-supported", "duplicate",
    "multiple-matches", "not-found", "too-long", "code-invalid", "business-rule", "conflict", "transient", "exception", "informational",
]  # fmt: skip

#: How many issues an answer lists: a Bundle has up to 1,000 entries, and each may have many.
MAX_ISSUES = 50


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong: its kind, what would have been accepted, and where (a FHIRPath such as `Appointment.participant[0].status`)."""

    code: Code
    diagnostics: str
    expression: str | None = None
    severity: Severity = "error"


class IssueJson(TypedDict, total=False):
    """An issue as FHIR JSON."""

    severity: str
    code: str
    diagnostics: str
    expression: list[str]


class OutcomeJson(TypedDict):
    """An OperationOutcome as FHIR JSON."""

    resourceType: Literal["OperationOutcome"]
    issue: list[IssueJson]


class Refused(Problem):
    """What was asked is refused, with the HTTP status and the issues that say why."""

    def __init__(self, status: int, issues: Sequence[Issue]) -> None:
        """At least one issue, as the standard asks."""
        super().__init__(status, issues[0].diagnostics)
        self.issues = tuple(issues)


def refused(status: int, code: Code, diagnostics: str, expression: str | None = None) -> Refused:
    """A refusal with one issue."""
    return Refused(status, [Issue(code, diagnostics, expression)])


def bounded(issues: Sequence[Issue]) -> list[Issue]:
    """The first MAX_ISSUES of them, and how many more there are: enough to mend a message by, and never a book."""
    shown = list(issues[:MAX_ISSUES])
    if more := len(issues) - len(shown):
        shown.append(Issue("processing", f"There are {more} more issues.", severity="information"))
    return shown


def outcome(issues: Sequence[Issue]) -> OutcomeJson:
    """The issues as an OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> IssueJson:
    shown: IssueJson = {
        "severity": issue.severity,
        "code": issue.code,
        "diagnostics": issue.diagnostics,
    }
    if issue.expression:
        shown["expression"] = [issue.expression]
    return shown


#: What is said of an appointment of somebody who has not asked for company.
NOT_APPLICABLE = Issue(
    "informational",
    "Received, and nothing was kept: there is no active referral with consent for this patient. There is no need to send it again.",
    severity="information",
)
