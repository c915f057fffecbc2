"""HTTP: routes, schemas, and the one table from domain errors to problem+json."""
