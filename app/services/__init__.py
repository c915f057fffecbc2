"""Use cases. They speak in domain values and ports and know no adapter."""
