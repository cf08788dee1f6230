"""XAPI: a session, its events as facts, and the places where records are written."""
