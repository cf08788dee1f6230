"""ringfence on a host: put in force, checked, exchanged for another version, and taken away without a trace."""
