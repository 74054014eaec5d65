"""Error rates over time, by group, also while labels are late or missing."""
