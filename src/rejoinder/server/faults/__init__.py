"""What goes wrong: faults as data, the line in which they stand, and the catalogue of those with a name."""
