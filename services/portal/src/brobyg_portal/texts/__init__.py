"""The pages and their catalogues.

A pathway has a folder of its own for the pages that say something else than `default/`.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
