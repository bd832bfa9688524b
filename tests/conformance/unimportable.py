"""Raises when it is imported."""

raise ValueError("boom")
