"""The law: from a run and what happened to it, to what shall be committed. Pure."""
