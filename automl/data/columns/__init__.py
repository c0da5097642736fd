"""What a column is and what is made of it: kinds and plans."""
