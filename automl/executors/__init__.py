"""Where trials run: in this process (``inline``) or in worker processes of our own (``local``)."""
