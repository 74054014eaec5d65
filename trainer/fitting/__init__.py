"""Training: the order of rows, the schedule, the objective and the step."""
