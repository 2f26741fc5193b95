"""Which replica to take: pure functions `(candidates, turn, ...) -> choice`, one file each."""
