"""Neither a binary label nor a score: several labels, numbers, rankings, deferral, deciders, own metrics."""
