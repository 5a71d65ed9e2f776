"""
Secrets Manager: RotateSecret calls the secret's rotation function, as AWS does; CancelRotateSecret stops a rotation; and
DescribeSecret and ListSecrets return the rotation configuration. Two things are missing: no schedule starts a rotation, and
a failed rotation is not tried again. MiniStack itself calls no function: its RotateSecret copies the current value.
"""

import contextvars
import json
import logging
import re
import threading
import time
from datetime import datetime, timezone
from fnmatch import fnmatchcase

from ministack.core.responses import error_response_json, get_account_id, json_response, new_uuid
from ministack.services import eventbridge, lambda_svc, secretsmanager

logger = logging.getLogger("rotation")
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
SERVICE = {"Service": "secretsmanager.amazonaws.com"}
# The secret's ARN and the token of each rotation that runs.
running = set()
rotate_secret = secretsmanager._rotate_secret
describe_secret = secretsmanager._describe_secret
list_secrets = secretsmanager._list_secrets
handle_request = secretsmanager.handle_request


def rotate(data):
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if not secret or secret.get("DeletedDate") or secretsmanager._is_replica(secret):
        return rotate_secret(data)  # MiniStack answers with the error.
    token = data.get("ClientRequestToken") or new_uuid()
    function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
    refusal = refusal_of(secret, token, function)
    if refusal:
        return error_response_json(*refusal, 400)
    rules = data.get("RotationRules") or secret.get("RotationRules")
    secret.update(RotationLambdaARN=function, RotationRules=rules, RotationEnabled=True, RotationSetDate=int(time.time()))
    immediately = data.get("RotateImmediately", True)
    if "AWSCURRENT" not in stages_of(secret, token) and (secret["ARN"], token) not in running:
        begin(secret, token, STEPS if immediately else ("testSecret",))
    answer = {"ARN": secret["ARN"], "Name": secret["Name"]}
    return json_response({**answer, "VersionId": token} if immediately else answer)


def refusal_of(secret, token, function):
    """The name and message of the error that AWS would answer with, or None."""
    if not function:
        return "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."
    if not may_call(function, secret["ARN"]):
        return "AccessDeniedException", (
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access "
            "to the principal secretsmanager.amazonaws.com."
        )
    pending, _ = secretsmanager._find_stage_version(secret, "AWSPENDING")
    if pending and pending != token and "AWSCURRENT" not in stages_of(secret, pending):
        return "InvalidRequestException", (
            "A previous rotation isn't complete. That rotation will be reattempted."
        )
    return None


def may_call(function, secret_arn):
    """Whether the function's policy lets Secrets Manager call the function for this secret."""
    policy = lambda_svc.function_policy_for_arn(function)
    return policy is not None and any(allows(statement, secret_arn) for statement in policy[0]["Statement"])


def allows(statement, secret_arn):
    if statement["Effect"] != "Allow" or statement["Principal"] != SERVICE:
        return False
    context = {"aws:sourceaccount": get_account_id(), "aws:sourcearn": secret_arn}
    wanted = [pair for pairs in statement.get("Condition", {}).values() for pair in pairs.items()]
    return all(fnmatchcase(context.get(key.lower(), ""), str(value)) for key, value in wanted)


def stages_of(secret, token):
    return secret["Versions"].get(token, {}).get("Stages", [])


def begin(secret, token, steps):
    """Starts a rotation: puts AWSPENDING on a version without a value, and calls the function for each step in a thread."""
    empty = {"SecretString": None, "SecretBinary": None, "CreatedDate": int(time.time()), "Stages": []}
    secret["Versions"].setdefault(token, empty)
    secretsmanager._remove_stage_everywhere(secret, "AWSPENDING", except_version_id=token)
    secretsmanager._add_stage(secret, token, "AWSPENDING")
    secretsmanager._sync_replicas(secret)
    running.add((secret["ARN"], token))
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run, secret, token, steps), daemon=True).start()


def run(secret, token, steps):
    """Calls the function for each step, until one fails."""
    try:
        succeeded = all(run_step(secret, token, step) for step in steps)
        if steps != STEPS:
            # This only tested the configuration: the version is not needed.
            del secret["Versions"][token]
        elif succeeded:
            secret["LastRotatedDate"] = int(time.time())
    finally:
        running.discard((secret["ARN"], token))
        secretsmanager._sync_replicas(secret)


def run_step(secret, token, step):
    """Calls the rotation function for one step. Returns whether it succeeded."""
    if not secret["RotationEnabled"]:
        return False  # The rotation was cancelled.
    event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": token}
    function, config, name = lambda_svc._get_func_record_for_ref(secret["RotationLambdaARN"])
    if not function:
        logger.warning("rotation of %s: there is no function %s", secret["Name"], name)
        return False
    record = lambda_svc._execution_record_for_config(function, config)
    result = lambda_svc._execute_function_with_config_scope(record, event)
    if result.get("error"):
        logger.warning("rotation of %s failed at %s", secret["Name"], step)
    return not result.get("error")


def cancel(data):
    """CancelRotateSecret: AWSPENDING stays where it is, as in AWS."""
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if not secret or secret.get("DeletedDate") or secretsmanager._is_replica(secret):
        return rotate_secret(data)  # MiniStack answers with the error.
    secret["RotationEnabled"] = False
    secretsmanager._sync_replicas(secret)
    pending, _ = secretsmanager._find_stage_version(secret, "AWSPENDING")
    answer = {"ARN": secret["ARN"], "Name": secret["Name"]}
    return json_response({**answer, "VersionId": pending} if pending else answer)


def next_rotation(secret):
    """When the schedule would next start a rotation, in seconds since 1970; None without a schedule."""
    rules = secret.get("RotationRules")
    if not secret.get("RotationEnabled") or not rules:
        return None
    expression = rules.get("ScheduleExpression") or f"rate({rules.get('AutomaticallyAfterDays')} days)"
    cron = eventbridge._parse_cron_fields(expression)
    if cron:
        fires = eventbridge._cron_next_fire(cron, datetime.now(timezone.utc))
        return fires and int(fires.timestamp())
    rate = re.fullmatch(r"rate\((\d+) (day|hour)s?\)", expression)
    since = secret.get("LastRotatedDate") or secret["RotationSetDate"]
    return rate and since + int(rate[1]) * (86_400 if rate[2] == "day" else 3_600)


def rotation_of(secret):
    """What DescribeSecret and ListSecrets return of the rotation configuration."""
    members = {
        "RotationEnabled": secret.get("RotationEnabled", False),
        "RotationLambdaARN": secret.get("RotationLambdaARN"),
        "RotationRules": secret.get("RotationRules"),
        "LastRotatedDate": secret.get("LastRotatedDate"),
        "NextRotationDate": next_rotation(secret),
    }
    return {key: value for key, value in members.items() if value is not None}


def describe(data):
    status, headers, body = describe_secret(data)
    if status != 200:
        return status, headers, body
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    return json_response({**json.loads(body), **rotation_of(secret)})


def list_all(data):
    answer = json.loads(list_secrets(data)[2])
    for entry in answer["SecretList"]:
        entry.update(rotation_of(secretsmanager._secrets[entry["Name"]]))
    return json_response(answer)


async def handle(method, path, headers, body, query_params):
    if headers.get("x-amz-target", "").endswith(".CancelRotateSecret"):
        return cancel(json.loads(body))
    return await handle_request(method, path, headers, body, query_params)


secretsmanager._rotate_secret = rotate
secretsmanager._describe_secret = describe
secretsmanager._list_secrets = list_all
secretsmanager.handle_request = handle
