"""The tests mirror the source, room by room. `tests/house` watches the house rules."""
