"""Pure statistics: intervals, simultaneous bounds, multiplicity, looks, sample sizes; arrays in, numbers out."""
