"""Lambda: an error's name, by which the state machine retries and catches."""

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

# Node's worker reports the message alone. Here the name goes before it, up to a NUL.
REPORTS = "error: String(err.message || err), trace"
NAMES = r"error: `${err.name}\0${err.message}`, trace"
assert REPORTS in lambda_runtime._NODEJS_WORKER_SCRIPT
lambda_runtime._NODEJS_WORKER_SCRIPT = lambda_runtime._NODEJS_WORKER_SCRIPT.replace(REPORTS, NAMES)
execute = lambda_svc._execute_function_warm


def execute_and_name_error(*arguments):
    """As Lambda does: errorType is the error's own name, and not Runtime.HandlerError for all of them."""
    result = execute(*arguments)
    if result.get("error"):
        name, named, message = result["body"]["errorMessage"].partition("\0")
        if named:
            result["body"] = {"errorType": name, "errorMessage": message}
    return result


lambda_svc._execute_function_warm = execute_and_name_error
