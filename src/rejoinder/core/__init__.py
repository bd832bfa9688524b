"""What it means: one session as a state machine. Pure: no clock, loop, randomness or log."""
