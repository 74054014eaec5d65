"""Counts of features by window and group: what every measure of drift is a function of.

Modules: `binning` (the bins of one feature), `fitting` (bins of a reference), `profile` (counts that add up),
`counting` (a log to its profile, a batch at a time), `engine_counting` (the same inside an engine such as Spark),
`reference`, `reference_files`, `digests` (a frozen reference, on disk, and what tells that it changed), `differences`
(of a log's columns from a reference's); beneath them `watched`, `batches`, `values`, `groups`, `lookup`, `ranks`.
"""
