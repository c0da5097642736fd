"""What a report states: evidence, importance, slices, curves, each computed from the record."""
