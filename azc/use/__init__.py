"""What is done with programs that are there: fitting, explaining, simplifying, comparing."""
