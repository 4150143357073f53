"""Clinical data: long events, wide tables and public sets, checked row by row. Needs no torch."""
