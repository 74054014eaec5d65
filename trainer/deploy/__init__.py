"""Leaving the machine that trained: what is written for others, and what changes where arithmetic does."""
