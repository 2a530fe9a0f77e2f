"""The contracts, as files: events, topics, places, pathways. `schemas.tools` reads them."""
