"""How far a distribution has moved from its reference, how sure that is, and when it is worth an alarm.

Modules: `distances` (from counts of bins), `bounds` (their intervals), `evidence` (exact Polya tests, and how windows
add up), `bins` (which bins the tests merge), `run` (rows and alarms of a table's profiles).
"""
