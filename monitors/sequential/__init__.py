"""Statistics that may be looked at after every row: confidence sequences, e-processes, e-detectors."""
