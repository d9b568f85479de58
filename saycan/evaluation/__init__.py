"""Measuring an agent: suites of instructions with goals, judged by the simulator's own state."""
