"""Images from folders, files and tables: finding, decoding, storing."""
