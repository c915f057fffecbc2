"""Names of things: identifiers, file names, addresses."""
