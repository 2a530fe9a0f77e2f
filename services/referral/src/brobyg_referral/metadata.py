"""The service's own database: each package declares its tables in its `adapters/tables.py`."""

from sqlalchemy import MetaData

metadata = MetaData()
