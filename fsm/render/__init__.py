"""What the engine knows, as text: diagnostics, graphs and definitions. Pure: nothing is printed here."""
