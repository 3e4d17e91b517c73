"""How things look: tables, JSON, live progress. Sees the model only."""
