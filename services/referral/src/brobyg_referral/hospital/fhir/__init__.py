"""FHIR R4 at the edge: reading, checking, answering. No I/O beyond loading the schema once."""
