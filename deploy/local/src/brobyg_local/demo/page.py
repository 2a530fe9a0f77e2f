"""Just enough of a browser: finds the form with the answer's button on the portal's page and fills it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

__all__ = ["Form", "answer_form"]

FIELD = "answer"


@dataclass
class Form:
    """A form as it stands on a page: where it goes, its hidden fields, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """What a browser sends, urlencoded."""
        return urlencode(self.fields).encode()

    @property
    def origin(self) -> str:
        """Scheme and host the form goes to."""
        parts = urlsplit(self.action)
        return f"{parts.scheme}://{parts.netloc}"


class _Forms(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = True
            self.forms.append(
                Form(
                    urljoin(self.address, values.get("action", "")),
                    values.get("method", "get").lower(),
                )
            )
        elif self._open and tag in {"input", "button"} and values.get("name"):
            kind = values.get("type", "submit" if tag == "button" else "text")
            control = (values["name"], values.get("value", ""))
            (self.forms[-1].buttons if kind == "submit" else self.forms[-1].fields).append(control)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def answer_form(html: str, address: str, answer: str) -> Form | None:
    """The form on the page at `address` that gives `answer`, filled in; None where the page offers no such button (too late)."""
    parser = _Forms(address)
    parser.feed(html)
    for form in parser.forms:
        wanted = (FIELD, answer)
        if form.method == "post" and (wanted in form.buttons or wanted in form.fields):
            fields = form.fields if wanted in form.fields else [*form.fields, wanted]
            return Form(form.action, form.method, fields)
    return None
