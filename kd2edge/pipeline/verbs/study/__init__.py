"""``kd2edge study``: variants of one recipe over seeds, and what the differences show."""
