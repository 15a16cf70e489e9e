"""What a container stores and where: its datasets, and its volumes."""
