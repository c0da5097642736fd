"""Where the record lies, its tables, and how it is read and written."""
