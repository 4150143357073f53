"""What the benchmarks of serving stand on: traffic, the wire, processes, the disk."""
