"""The report of a search, its plots and its model card: from what is on record, never from a live search."""
