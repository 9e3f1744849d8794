"""What decides: pure functions over values. No clock, no chance, no disk, no network, no loop."""
