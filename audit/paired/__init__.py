"""Models on the same rows: what changes for whom."""
