"""Tests of `rejoinder.journal`."""
