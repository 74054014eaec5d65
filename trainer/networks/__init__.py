"""Neural networks: settings in, a plain torch module out."""
