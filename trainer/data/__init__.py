"""Data as the trainer needs them: read once, encoded by what the train rows taught, resident on the device."""
