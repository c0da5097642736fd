"""The facts of a report: evidence, importance, slices and curves, each computed from the record."""
