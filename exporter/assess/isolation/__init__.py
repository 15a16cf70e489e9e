"""What containers should have to themselves: ids, labels, addresses; and what others have of it."""
