"""Use cases, one package per capability. They use domain values and ports, never an adapter."""
