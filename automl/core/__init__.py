"""The vocabulary of all rooms: errors, tables, tasks, metrics, trials, the contract of a family."""
