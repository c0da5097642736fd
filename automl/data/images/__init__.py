"""Images from folders, files and tables: found, decoded, stored."""
