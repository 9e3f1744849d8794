"""What touches the world: stores, disks, clocks, random sources. Only `cli` and tests wire them."""
