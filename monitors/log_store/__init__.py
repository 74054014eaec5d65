"""The prediction log: appended in batches, joined with labels that come later, corrected and erased on record."""
