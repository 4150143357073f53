"""Jobs on natural language."""
