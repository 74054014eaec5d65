"""The demo: one true way through the house, on real data that ships with a dependency."""
