"""What a search is asked and what it becomes: settings, preparation, checks, folds."""
