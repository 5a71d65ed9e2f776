"""
MiniStack, with eight things mended without which the deployed stack could not be seen at work (docs/local.md): an
error's name, by which the state machine retries and catches; a label that PutSecretValue moves; the label, the rotation
function and the parameters' names by which the roles limit who reads what; events in the name of AWS's services; which parameters and secrets have a tag;
and the path to a Map's cap.
It touches what is private to the version that local/stack/requirements.txt pins.
"""

import json
from os.path import commonprefix

from ministack.app import main
from ministack.core import iam_actions, lambda_runtime
from ministack.services import eventbridge, lambda_svc, secretsmanager, stepfunctions, tagging

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
put_secret_value = secretsmanager._put_secret_value


def put_and_move_labels(data):
    """
    As Secrets Manager does: a label sits on one version. Left on an earlier one, AWSPENDING makes a rotation that went
    well look abandoned to the next but one.
    """
    response = put_secret_value(data)
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    token = data.get("ClientRequestToken")
    if secret and token in secret["Versions"]:
        for label in secret["Versions"][token]["Stages"]:
            secretsmanager._remove_stage_everywhere(secret, label, except_version_id=token)
    return response


secretsmanager._put_secret_value = put_and_move_labels
request_tag_context = iam_actions.request_tag_context


def request_context(service, action, body, parameters):
    """
    What policies may ask about a request: as IAM does, also which stage of a secret it reads, and which function
    rotates that secret.
    """
    context = request_tag_context(service, action, body, parameters)
    if service != "secretsmanager":
        return context
    request = json.loads(body)
    _, secret = secretsmanager._resolve(request.get("SecretId"))
    more = {
        "secretsmanager:VersionStage": action == "secretsmanager:GetSecretValue" and request.get("VersionStage"),
        "secretsmanager:resource/AllowRotationLambdaArn": secret and secret.get("RotationLambdaARN"),
    }
    return {**context, **{key: value for key, value in more.items() if value}}


iam_actions.request_tag_context = request_context
extract_resource_arn = iam_actions.extract_resource_arn


def resource_arn(service, method, path, headers, body, *more):
    """
    As IAM does: a parameter is the same whichever version is asked for, and a call for a path is about that path. One
    about several parameters is about what their names begin with, so that a path allows it if it allows each of them;
    reading several, about the first, as a tag is on one alone.
    """
    if service == "ssm":
        request = json.loads(body)
        names = request.get("Names", [])
        reading = headers.get("x-amz-target", "").endswith(".GetParameters")
        name = request.get("Name") or request.get("Path") or commonprefix(names[:1] if reading else names)
        body = json.dumps({**request, "Name": name.partition(":")[0]}).encode()
    return extract_resource_arn(service, method, path, headers, body, *more)


iam_actions.extract_resource_arn = resource_arn
# PutEvents takes the events of AWS's services, as of Secrets Manager, whose own are not sent here.
eventbridge._put_events.__defaults__ = (True,)

# Its tagging API leaves out parameters and secrets, though it can collect their tags for other calls.
tagging._COLLECTORS.update(ssm=tagging._collect_ssm, secretsmanager=tagging._collect_secretsmanager)
run_map_items = stepfunctions._run_map_items


def run_so_many_at_once(state, raw_input, execution, context):
    """As Step Functions does: MaxConcurrencyPath caps a Map as MaxConcurrency does."""
    path = state.get("MaxConcurrencyPath")
    if path:
        state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, raw_input, context)}
    return run_map_items(state, raw_input, execution, context)


stepfunctions._run_map_items = run_so_many_at_once
main()
