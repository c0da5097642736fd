"""Code that families of one kind share: boosted trees, averaged trees, solvers of linear models."""
