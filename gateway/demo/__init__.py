"""The demonstration: a real gateway on loopback, and the letters a day may bring."""
