"""Files into frames: encodings, delimiters, quotes, headers, types."""
