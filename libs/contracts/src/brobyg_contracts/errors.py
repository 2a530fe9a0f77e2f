"""What the contracts raise.

ContractsError
├── InvalidPathway   a pathway's file breaks its form
├── UnknownPathway   no such file in schemas/pathways
├── InvalidDocument  a file of schemas/ that is written by hand breaks its form
├── UnknownAct       an act that schemas/access.yaml does not have
└── UnknownReference an id that the reference data does not have
"""


class ContractsError(Exception):
    """What the contracts raise."""


class InvalidPathway(ContractsError):
    """A pathway's file breaks its form. The message names the entry."""


class UnknownPathway(ContractsError):
    """There is no such file in schemas/pathways."""


class InvalidDocument(ContractsError):
    """A file of schemas/ that is written by hand breaks its form; says file and line."""


class UnknownAct(ContractsError):
    """An act that schemas/access.yaml does not have."""


class UnknownReference(ContractsError):
    """An id that the reference data does not have."""
