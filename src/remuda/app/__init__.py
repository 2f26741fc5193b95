"""Composition: settings, wiring, listeners and the `remuda` command.

The only room that knows all the others: it makes every object and hands it, with the tables of what stands above, down
to rooms that must not import upwards. Nobody imports it. Words: a *setting* is one named value; its *origin* is where
that value came from.
"""
