"""Worlds in which a loop's strength is known: for tests of the loop metrics, for teaching, and to try mitigations."""
