"""Train and test: leaks, copies, labels worth a second look, and what a model leans on."""
