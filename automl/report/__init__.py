"""The report of a search, its plots and its model card: made from the record, never from a live search."""
