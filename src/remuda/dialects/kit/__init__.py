"""What the dialects share: the front before all ordinary routes, fault rendering, the access policy, documents.

Words: a *front* stands before the application and admits callers; an *owner* is the dialect that owns a path and says
faults in its shape; a *rule* says what a caller needs for a path. Called by dialects and `app`. Must not know any
dialect: their tables are handed in.
"""
