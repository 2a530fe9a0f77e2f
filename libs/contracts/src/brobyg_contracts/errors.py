"""What the contracts raise.

ContractsError
├── InvalidPathway   a pathway's file breaks its form
├── UnknownPathway   no such file in schemas/pathways
└── UnknownPlace     a postcode or location id that is not in schemas/places.json
"""


class ContractsError(Exception):
    """What the contracts raise."""


class InvalidPathway(ContractsError):
    """A pathway's file breaks its form. The message names the entry."""


class UnknownPathway(ContractsError):
    """There is no such file in schemas/pathways."""


class UnknownPlace(ContractsError):
    """A postcode or location id that schemas/places.json does not know."""
