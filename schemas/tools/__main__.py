"""`python -m schemas.tools`: all checks of the contracts that `make check` runs.

Ends with 1 when something is out of date or breaks.
"""

import sys

from schemas.tools import compat, generate

if __name__ == "__main__":
    sys.exit(max(generate.main(["--check"]), compat.main([])))
