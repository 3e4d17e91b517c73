"""What is measured, a file for each group of rows."""
