"""ringfence diff: what a policy file would change in the pool, and what is expected and would not hold."""

from typing import Any

from . import show
from .policy_file import add_file, plan_of, rows_of_plan, show_plan
from .pool import Pool

HELP = "what a policy file would change"


def define(parser: Any) -> None:
    add_file(parser)


def run(options: Any) -> int:
    """0 where the pool is as the file says, 1 where it differs or an expectation would not hold, 2 for an error."""
    pool = Pool(options)
    plan = plan_of(pool, options.file, options.prune)
    if options.output == "table":
        show_plan(pool, plan)
    else:
        show.rows(options.output, ["kind", "name", "uuid", "before", "after"], rows_of_plan(plan))
    return 1 if plan.changes or plan.broken else 0
