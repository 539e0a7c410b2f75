"""What is done with programs once they are found: fitting, explaining, simplifying, comparing."""
