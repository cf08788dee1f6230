"""A pool in a box: hosts, guests and machines outside on one Linux machine, with ringfence running in it unchanged."""
