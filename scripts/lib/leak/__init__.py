"""What scored samples share with what was seen before."""
