"""gettext catalogues of a folder: `<folder>/locale/<language>.po`, one a language.

A language is added by adding its catalogue.
"""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

#: ISO 639-1.
Language: TypeAlias = str
#: The language of the sources, which needs no catalogue.
SOURCE_LANGUAGE: Language = "en"


@cache
def languages(folder: Path) -> tuple[Language, ...]:
    """The languages in which the texts of `folder` can be written. Blocks the first time."""
    translated = {file.stem for file in (folder / "locale").glob("*.po")}
    return tuple(sorted(translated | {SOURCE_LANGUAGE}))


def written_in(folder: Path, language: Language) -> Language:
    """`language`. Raises ValueError that says what would be right if `folder` does not have it."""
    if language not in languages(folder):
        known = ", ".join(languages(folder))
        raise ValueError(f"there is no catalogue for {language!r}; known are {known}")
    return language


@cache
def catalogue(folder: Path, language: Language) -> gettext.NullTranslations:
    """The catalogue, compiled in memory; the sources' own texts where there is none.

    Blocks while it is read the first time.
    """
    if language == SOURCE_LANGUAGE or language not in languages(folder):
        return gettext.NullTranslations()
    compiled = BytesIO()
    with (folder / "locale" / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
