"""Writing the record: one thread, a search's run, its trials' runs and their files."""
