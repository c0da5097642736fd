"""The plots: one look, one function per plot."""
