"""
MiniStack, with three things mended without which the deployed stack could not be seen at work (docs/local.md): an
error's name, by which the state machine retries and catches; a label that PutSecretValue moves; the label by which
the roles limit who reads an admin's secret. It touches what is private to the version that test/requirements.txt pins.
"""

import json

from ministack.app import main
from ministack.core import iam_actions, lambda_runtime
from ministack.services import lambda_svc, secretsmanager, tagging

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
    """What policies may ask about a request: as IAM does, also which stage of a secret it reads."""
    context = request_tag_context(service, action, body, parameters)
    stage = json.loads(body).get("VersionStage") if action == "secretsmanager:GetSecretValue" else None
    return {**context, "secretsmanager:VersionStage": stage} if stage else context


iam_actions.request_tag_context = request_context
# Its tagging API leaves out parameters and secrets, though it can collect their tags for other calls.
tagging._COLLECTORS.update(ssm=tagging._collect_ssm, secretsmanager=tagging._collect_secretsmanager)
main()
