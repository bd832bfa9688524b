"""What happened: the journal of a session, one line per step."""
