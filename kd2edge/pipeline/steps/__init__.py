"""What a run is made of: its folder, its jobs, what it keeps and what it reports."""
