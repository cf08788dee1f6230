"""ringfenced: from XAPI's events and OVSDB's view to flows, in one loop."""
