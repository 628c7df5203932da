"""The parts that touch the world: sockets, DNS, clocks."""
