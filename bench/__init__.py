"""The project's own benchmark: Remuda, nginx and the routers beside it, in front of one mock upstream, in one run.

`python -m bench` measures, `python -m bench.soak` looks for leaks. How to read the figures: `bench/README.md`. Words:

- a *target* is what stands between load and mock, `direct` being nothing (`targets`, `peers`);
- a *load* is one bounded run of the generator (`loads`); a *measure* is a load, or a set of them, with what it tells
  of a target (`measures`);
- a *bar* is a figure that the project promises to keep (`bars`).

Linux only: CPU time and memory are read from /proc (`machine`).
"""
