"""Contents of cells: plain words and numbers, amounts, dates, durations, names."""
