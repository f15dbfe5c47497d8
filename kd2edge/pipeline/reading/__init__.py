"""What reads the recipe: rows, inputs, tasks and settings, as the stages take them."""
