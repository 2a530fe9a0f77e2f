"""The service's tables, each declared once."""

from sqlalchemy import MetaData

metadata = MetaData()
