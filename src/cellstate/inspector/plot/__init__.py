"""Plain geometry behind every picture: what to print beside an axis, and where a value falls.

Nothing here knows HTML or terminals, so the page and its terminal twin agree on every number.
"""
