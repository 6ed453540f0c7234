"""The only place with a clock, a disk, a network and a terminal."""
