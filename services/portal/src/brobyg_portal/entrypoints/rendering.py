"""A page as an answer: in the reader's language, with the headers that every page has."""

from collections.abc import Mapping
from types import MappingProxyType

from brobyg_kit.catalogues import languages
from fastapi import Request
from fastapi.responses import HTMLResponse

from brobyg_portal.adapters import pages
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import choose_language
from brobyg_portal.entrypoints.web import HEADERS
from brobyg_portal.texts import FOLDER


class Renderer:
    """Renders the pages of those who sign in."""

    def __init__(self, default_language: str) -> None:
        """`default_language` is for a reader of whom no wish is known."""
        self._default_language = default_language

    def __call__(
        self,
        request: Request,
        page: PageName,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> HTMLResponse:
        """The page with this status. `facts` are what its template needs."""
        language = choose_language(
            request.query_params.get("language"),
            None,
            request.headers.get("accept-language", ""),
            languages(FOLDER),
            self._default_language,
        )
        here = request.url.path if request.method == "GET" else "/"
        text = pages.render(page, language, None, {"here": here, "session": None, **facts})
        return HTMLResponse(text, status, {**HEADERS, "Content-Language": language, **headers})
