"""What the cells of a column say: plain words and numbers, amounts, dates, durations, names."""
