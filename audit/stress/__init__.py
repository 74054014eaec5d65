"""What a model does when something changes: an attribute, a disturbance, a mitigation."""
