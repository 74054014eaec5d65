"""Scores: calibration, thresholds, what acting on them is worth, and to whom."""
