"""Pages as HTML, in the reader's language: `Pages.render` makes every page that people see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType

import jinja2
from babel import Locale
from brobyg_kit import problems, texts
from brobyg_kit.catalogues import Language, languages
from brobyg_kit.domain import domain
from brobyg_kit.operations import in_words
from brobyg_kit.problems import Problem
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from brobyg_portal.adapters.assets import assets
from brobyg_portal.domain.address import Address
from brobyg_portal.domain.wording import choose_language, machine_time
from brobyg_portal.texts import FOLDER

#: The language that was chosen on this device. It names nobody.
LANGUAGE_COOKIE = "brobyg-language"
_YEAR_SECONDS = 365 * 24 * 3600
#: Written from right to left, with the sources' words: to try that side of a page. See `trial`.
TRIAL_LANGUAGE: Language = "ar"
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Browsers heed it over HTTPS alone.
    "Strict-Transport-Security": "max-age=31536000",
}


@dataclass(frozen=True, slots=True)
class Help:
    """Whom people call; "" where it is not known."""

    phone: str = ""
    mail: str = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """Makes pages. All that differs between installations is here."""

    #: For a reader of whom no wish is known.
    default_language: Language
    help: Help = Help()
    #: Whether pages may be asked for in TRIAL_LANGUAGE.
    trial: bool = False
    #: Whether browsers come by https, whatever a proxy makes of it.
    secure: bool = False

    def render(
        self,
        request: Request,
        template: str | Sequence[str],
        status: int = 200,
        *,
        language: Language | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        **context: object,
    ) -> HTMLResponse:
        """The page of this template, or of the first that there is.

        `language` is the reader's own, where it is known; what they have chosen comes first.
        Templates also get `here` (the page's Address), `help` and `session` (None for nobody).
        Raises jinja2.UndefinedError when something else that the template needs is missing.
        """
        asked = request.query_params.get("language")
        known = self.languages
        chosen = choose_language(
            asked or request.cookies.get(LANGUAGE_COOKIE),
            language,
            request.headers.get("accept-language", ""),
            known,
            self.default_language,
        )
        here = Address(request.url.path, request.query_params.multi_items())
        html = written(
            template,
            chosen,
            languages=[(one, _own_name(one)) for one in known],
            here=here,
            help=self.help,
            session=getattr(request.state, "session", None),
            **context,
        )
        answer = HTMLResponse(html, status, {**self.headers, "Content-Language": chosen, **headers})
        if asked == chosen:
            answer.set_cookie(
                LANGUAGE_COOKIE, chosen, _YEAR_SECONDS, httponly=True, samesite="lax",
                secure=self.secure,
            )  # fmt: skip
        return answer

    def problem(self, problem: Problem, request: Request) -> Response:
        """What went wrong: as a page where a browser asks for one, else as problem+json."""
        if "text/html" not in request.headers.get("accept", ""):
            return problems.render(problem, request)
        return self.render(
            request,
            "problem.html",
            problem.status,
            headers=problem.headers,
            code=problem.status,
            request_id=getattr(request.state, "request_id", ""),
        )

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages in which pages can be asked for."""
        return (*languages(FOLDER), *([TRIAL_LANGUAGE] if self.trial else []))

    @property
    def headers(self) -> dict[str, str]:
        """What every page says to the browser.

        Only scripts, styles, fonts and pictures of our own, none of them in the page itself; no
        frames; the address stays out of caches, other sites' logs and search engines.
        """
        own = "".join(
            f"; {kind}-src 'self'" for kind in ("style", "script", "font", "img", "connect")
        )
        policy = (
            f"default-src 'none'{own}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return {"Content-Security-Policy": policy, **_HEADERS}


def written(template: str | Sequence[str], language: Language, **context: object) -> str:
    """The template as text. Raises jinja2.UndefinedError when something it needs is missing."""
    names = [template] if isinstance(template, str) else template
    return _environment(language).select_template(names).render(context)


@cache
def _own_name(language: Language) -> str:
    return str(Locale.parse(language).get_display_name(language)).capitalize()


@cache
def _environment(language: Language) -> jinja2.Environment:
    environment = texts.environment(FOLDER, language, html=True)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "machine_time": machine_time,
        "worded": _worded,
        "purpose": partial(domain().purpose_text, language=language),
        "in_words": in_words,
        "first_upper": lambda text: text[:1].upper() + text[1:],
    }
    served = assets()
    environment.globals |= {
        "direction": Locale.parse(language).text_direction,
        "static": served.address,
        "icon": lambda name: Markup(served.icon(name)),  # noqa: S704 - one of our own files
    }
    return environment


def _worded(errors: Mapping[str, str], words: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What is wrong, as a text by field, of codes by field and the texts of each field's codes."""
    return {name: words[name][code] for name, code in errors.items()}
