"""Just enough of a browser: finds the form with the answer's button on a page and fills it in."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import lxml.html


@dataclass(frozen=True)
class Form:
    """A form that is filled in: where it goes, and its fields."""

    action: str
    fields: list[tuple[str, str]]

    @property
    def body(self) -> bytes:
        """What a browser sends, urlencoded."""
        return urlencode(self.fields).encode()

    @property
    def origin(self) -> str:
        """Scheme and host the form goes to."""
        parts = urlsplit(self.action)
        return f"{parts.scheme}://{parts.netloc}"


def answer_form(html: str, address: str, answer: str) -> Form | None:
    """The form on the page at `address` with the button for `answer`; None where there is none."""
    page = lxml.html.fromstring(html, base_url=address)
    page.make_links_absolute()
    for form in page.forms:
        if form.method == "POST" and form.xpath(".//button[@name='answer'][@value=$v]", v=answer):
            return Form(form.action, [*form.form_values(), ("answer", answer)])
    return None
