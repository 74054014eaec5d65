"""Where a gap comes from: features held fixed, and evidence for and against each source of bias."""
