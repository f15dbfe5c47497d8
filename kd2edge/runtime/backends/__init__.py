"""One file a runtime: open a graph from bytes, infer, close. Imported when needed."""
