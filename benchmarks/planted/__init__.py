"""Faults of our own, planted in bundles: the gate has to stop each that costs something."""
