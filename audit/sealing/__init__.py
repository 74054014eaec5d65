"""A test for any model, opened once and on record."""
