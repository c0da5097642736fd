"""Files and frames in, typed tables out: reading, column kinds, encoding, the checks."""
