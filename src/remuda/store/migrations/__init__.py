"""How a store of an older version becomes one of this version. Applied by `remuda.store.database.open_store`."""

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0021",
    "0022",
)
"""Every version a store can have, oldest first; the last is what this program reads and writes. Written down here so
that opening a store that is up to date need not load Alembic. A test compares it with the scripts."""
