"""The question of a search and its preparation: settings, columns, checks, folds."""
