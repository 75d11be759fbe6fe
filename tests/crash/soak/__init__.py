"""Workers that are killed and frozen at random while they drive many runs, and what must be true afterwards."""
