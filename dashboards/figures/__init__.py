"""Plotly figures, one module per picture; every number in them is a number of the measurements that they are given."""
