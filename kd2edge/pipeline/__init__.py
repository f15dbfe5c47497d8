"""The verbs: the only package that knows both the recipe and the stages."""
