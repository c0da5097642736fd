"""One search: asked for, run, finished, kept on disk until it is over."""
