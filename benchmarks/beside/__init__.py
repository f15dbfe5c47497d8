"""Other libraries beside this one: each side a process in an environment of its own."""
