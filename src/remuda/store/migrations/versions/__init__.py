"""One file per version, named for it."""
