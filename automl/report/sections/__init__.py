"""The sections of the page, as HTML."""
