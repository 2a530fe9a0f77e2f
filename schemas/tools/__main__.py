"""`python -m schemas.tools`: all that `make check` asks of the contracts. Ends with 1 when something is out of date or breaks."""

import sys

from schemas.tools import compat, generate

if __name__ == "__main__":
    sys.exit(max(generate.main(["--check"]), compat.main([])))
