"""Tools that read `schemas/`: the generator of `brobyg_contracts` and `asyncapi.yaml`, and the compatibility check."""
