"""One engine in each file, with the class `Measured`. Nothing but its own process imports it."""
