"""What the commands do, one file a verb, and what several of them read."""
