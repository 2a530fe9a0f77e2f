"""Kafka, PostgreSQL, a mail server and all services on one machine without Docker."""
