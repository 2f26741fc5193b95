"""The face for people: for now the page at `/` that says what this is and where things are.

Called by `app`. Must not know other dialects.
"""
