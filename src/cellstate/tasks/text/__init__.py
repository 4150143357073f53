"""Language: tags, classes, new text and translations."""
