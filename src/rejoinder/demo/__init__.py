"""The conversation that `rejoinder demo` holds."""
