"""Write the example week: referrals, volunteers and the hospital's messages.

    python examples/hospital-week/generate.py [--seed N] [--into FOLDER]

The same seed gives the same files, byte for byte; the committed ones come from the default seed.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from random import Random

import appointments
import broken
import messages
import people

#: The Monday the week begins on; any number would do.
SEED = 20261130


def contents(seed: int) -> dict[str, str]:
    """The text of each generated file by its name."""
    random = Random(seed)
    needs = people.table("needs.csv")
    consented = [(row["cpr"], row["town"], int(row["appointments"])) for row in needs]
    known = {cpr for cpr, _, _ in consented}
    others = [row["cpr"] for row in people.table("persons.csv") if row["cpr"] not in known]
    week = appointments.week(random, consented, others)
    sent = messages.arrivals(random, week) + broken.messages(random, week)
    # From a generator of its own: the rest of the week stays what it was.
    for entry in appointments.beside(Random(seed), week):
        sent += messages.chain(entry)
    sent.sort(key=lambda message: (message.at, message.keys))
    lines = [
        json.dumps(message.line(), ensure_ascii=False, separators=(",", ":")) for message in sent
    ]
    return {
        "referrals.json": _document(people.referrals()),
        "volunteers.json": _document(people.volunteers()),
        "messages.jsonl": "\n".join(lines) + "\n",
    }


def _document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the files and say what is in them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    files = contents(options.seed)
    for name, text in files.items():
        (options.into / name).write_text(text, encoding="utf-8")
    lines = [json.loads(line) for line in files["messages.jsonl"].splitlines()]
    counts = Counter(str(line["expect"]) for line in lines)
    numbers = {key for line in lines for key in line["keys"] if key.startswith("A-")}
    sys.stdout.write(
        f"seed {options.seed}: {len(lines)} messages about {len(numbers)} appointments: "
        + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        + "\n"
    )


if __name__ == "__main__":
    main()
