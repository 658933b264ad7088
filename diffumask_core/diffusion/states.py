"""The three states of a unit while it is denoised."""

UNDECIDED, KEEP, DROP = 0, 1, 2
