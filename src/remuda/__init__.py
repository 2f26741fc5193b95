"""Remuda: one door to all the language-model servers you own.

The rooms, from the top down (each imports only what stands below it): `app`, `testing`, `dialects`, `jobs`,
`gateway`, `insight`, `fleet`, `engines`, `outbound`, `store`, `telemetry`, `wire`, `core`. Each room's own docstring
says what it is for.
"""

__version__ = "0.1.0"
