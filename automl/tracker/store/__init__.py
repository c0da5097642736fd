"""The store of the record: its location, its tables, and access to it."""
