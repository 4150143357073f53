"""Parts of the language model: reading, scoring and writing text token by token."""
