"""What the pipeline finds in a message and what would happen; nothing is kept or sent."""
