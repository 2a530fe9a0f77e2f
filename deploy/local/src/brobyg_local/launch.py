"""`python -m brobyg_local.launch <settings.json> <version> <program> ...`: becomes the program.

supervisord's own way to give settings loses some quotes and percent signs. <version> only says that
the settings have changed.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execve(sys.argv[3], sys.argv[3:], {**os.environ, **settings})
