"""A pool's policy as a document: read and printed, laid over a pool, and held to what it is expected to do."""
