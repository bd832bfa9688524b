"""`rejoinder serve`: the server on the command line, and what it shows of both directions as it happens.

``gist`` says what matters of an event, ``view`` makes rows of what is seen (both pure), ``hold`` serves and
shows them until it is told to end.
"""
