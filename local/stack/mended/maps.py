"""Step Functions: the path to a Map's cap."""

from ministack.services import stepfunctions

run_map_items = stepfunctions._run_map_items


def run_so_many_at_once(state, raw_input, execution, context):
    """As Step Functions does: MaxConcurrencyPath caps a Map as MaxConcurrency does."""
    path = state.get("MaxConcurrencyPath")
    if path:
        state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, raw_input, context)}
    return run_map_items(state, raw_input, execution, context)


stepfunctions._run_map_items = run_so_many_at_once
