"""Language: texts written, sorted, tagged and translated."""
