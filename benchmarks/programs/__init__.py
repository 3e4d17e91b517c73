"""Programs that the rows run in processes of their own."""
