"""What missing labels, and missing or wrong attributes, leave open."""
