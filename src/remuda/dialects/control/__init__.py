"""The face for those who watch over the gateway: whether it lives, is ready, is well, and its metrics.

Public paths, so nothing here tells what is not for everybody. Called by `app`. Must not know other dialects.
"""
