"""The net engine: a plain torch loop, its schedules, groups, rate test and checkpoints. Knows no tables."""
