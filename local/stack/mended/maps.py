"""Step Functions: MaxConcurrencyPath of a Map state."""

from ministack.services import stepfunctions

run_map_items = stepfunctions._run_map_items


def run_items_with_limit(state, raw_input, execution, context):
    """As Step Functions does: the number at MaxConcurrencyPath limits how many items run at once. MiniStack ignores it."""
    path = state.get("MaxConcurrencyPath")
    if path:
        state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, raw_input, context)}
    return run_map_items(state, raw_input, execution, context)


stepfunctions._run_map_items = run_items_with_limit
