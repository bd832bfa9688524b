"""Tests of `rejoinder.client`, file by file, and the far end that they talk to."""
