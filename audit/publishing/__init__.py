"""What may be published, and whom the data represent."""
