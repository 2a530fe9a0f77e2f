"""The contracts, as files: events, topics, pathways, reference data. `schemas.tools` reads them."""
