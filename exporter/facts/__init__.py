"""What the host said: frozen, slotted dataclasses; the unit is in the name, the origin in the comment."""
