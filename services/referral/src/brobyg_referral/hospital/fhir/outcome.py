"""OperationOutcome: how everything under /fhir says what went wrong, and where.

Never holds a value of what was sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fatal", "error", "warning", "information"]
#: The codes of FHIR R4 IssueType that are used here.
Code = Literal[
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "login",
    "forbidden",
    "processing",
    "not-supported",
    "duplicate",
    "not-found",
    "too-long",
    "code-invalid",
    "business-rule",
    "conflict",
    "transient",
    "exception",
    "informational",
]

#: How many issues an answer lists: a Bundle has up to 1,000 entries, and each may have many.
MAX_ISSUES = 50


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong."""

    code: Code
    #: What would have been accepted.
    diagnostics: str
    #: Where: a FHIRPath such as `Appointment.participant[0].status`.
    expression: str | None = None
    severity: Severity = "error"


def bounded(issues: Sequence[Issue]) -> list[Issue]:
    """The first MAX_ISSUES of them, and one that says how many more there are."""
    shown = list(issues[:MAX_ISSUES])
    if more := len(issues) - len(shown):
        shown.append(Issue("processing", f"There are {more} more issues.", severity="information"))
    return shown


def outcome(issues: Sequence[Issue]) -> dict[str, object]:
    """The issues as an OperationOutcome, in JSON."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> dict[str, object]:
    place = {"expression": [issue.expression]} if issue.expression else {}
    return {
        "severity": issue.severity,
        "code": issue.code,
        "diagnostics": issue.diagnostics,
        **place,
    }


#: What is said of an appointment of somebody who has not asked for company.
NOT_APPLICABLE = Issue(
    "informational",
    "Received, and nothing was kept: there is no active referral with consent for this patient."
    " There is no need to send it again.",
    severity="information",
)
