"""What runs next, with which settings, and which models are chosen in the end."""
