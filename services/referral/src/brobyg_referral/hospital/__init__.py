"""The ways in for the hospitals' appointments: FHIR over HTTP, and Kafka."""
