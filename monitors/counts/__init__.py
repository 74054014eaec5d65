"""Counts of features by window and group: what every measure of drift is a function of."""
