"""The verbs of the API, and the drive loop behind them."""
