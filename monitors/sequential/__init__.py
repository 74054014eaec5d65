"""Evidence that may be looked at as often as one likes: confidence sequences, e-processes, detectors of a change.

Modules: `mixtures` (boundaries and sequences for a mean and a rate), `risk` (a risk against what is tolerated, from
counts), `detectors` (a change after a long good period, one false alarm in N windows), `dependence` (how much more the
counts of blocks scatter than independent rows would).
"""
