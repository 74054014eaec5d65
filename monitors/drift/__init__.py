"""Whether features and predictions moved: distances with bounds, exact tests, alarms that hold over all looks."""
