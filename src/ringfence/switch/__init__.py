"""Open vSwitch: what OVSDB says is there, and the flows that we put into it."""
