"""The user's functions: how they are marked, found, given their arguments, and what their errors mean."""
