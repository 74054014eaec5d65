"""Shifts that no single column shows: a classifier that tells then from now, embeddings, rows out of domain."""
