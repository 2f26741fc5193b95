"""What we know of the servers that can answer: models, replicas, slots, health; and which one to take.

Words: a *replica* is a model served at one place; its *slots* are how many asks it takes at once; a *lease* is one
slot in use. Sources announce changes, `registry.py` alone applies them. Called by `gateway` and `app`; knows neither.
"""
