"""The benchmark's own tests: that what it tells is right, not how fast anything is."""
