"""Simple alternatives that a model has to beat."""
