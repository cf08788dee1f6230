"""The pipeline as data: compile a picture into flows, and run a frame through them."""

from .compile import Compiler, close_ports, compile_bridge
from .evaluate import evaluate
from .flow import Flow, FlowSet
from .parts import Change
from .site import BridgePlan, Segment

__all__ = ["BridgePlan", "Change", "Compiler", "Flow", "FlowSet", "Segment", "close_ports", "compile_bridge", "evaluate"]
