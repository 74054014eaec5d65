"""What a reader should know of a trained model: calibration, coverage, seeds, health, energy."""
