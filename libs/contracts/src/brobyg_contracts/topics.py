"""The topics and what they carry.

How the broker keeps them, who writes and who reads them is in schemas/topics/*.yaml;
`data/topics.json` is generated from there.
"""

from importlib.resources import files

import msgspec

#: Topic name to the event types it carries: none for the hospital's own format and dead letters.
TOPICS: dict[str, tuple[str, ...]] = msgspec.json.decode(
    files(__package__).joinpath("data/topics.json").read_bytes(),
    type=dict[str, tuple[str, ...]],
)
