"""Lambda: the name of an error, by which a state machine retries and catches."""

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

# The worker that runs Node functions reports an error's message only. With this it reports name, NUL, message.
REPORTS = "error: String(err.message || err), trace"
NAMES = r"error: `${err.name}\0${err.message}`, trace"
assert REPORTS in lambda_runtime._NODEJS_WORKER_SCRIPT
lambda_runtime._NODEJS_WORKER_SCRIPT = lambda_runtime._NODEJS_WORKER_SCRIPT.replace(REPORTS, NAMES)
execute = lambda_svc._execute_function_warm


def execute_and_name_error(*arguments):
    """As Lambda does: errorType is the error's name. MiniStack has Runtime.HandlerError for all errors."""
    result = execute(*arguments)
    if result.get("error"):
        name, separator, message = result["body"]["errorMessage"].partition("\0")
        if separator:
            result["body"] = {"errorType": name, "errorMessage": message}
    return result


lambda_svc._execute_function_warm = execute_and_name_error
