"""The order in which the proofs run on the machine; see proofs.py for what each does."""

PROOFS = (
    "stock",
    "install",
    "parts",
    "policy",
    "isolation",
    "own_store",
    "upgrade",
    "failed_upgrade",
    "uninstall",
    "tarball",
    "attacks",
    "flows_lost",
    "switch_restarted",
    "agent_killed",
    "hook_alone",
    "life",
    "restarts",
    "removed",
)
