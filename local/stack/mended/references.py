"""
Parameter Store: a parameter under /aws/reference/secretsmanager/ is a secret, read through. GetParameter and
GetParameters alone know it, as in AWS; to the other calls there is no such parameter.
"""

import json
import re

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import error_response_json, get_account_id, json_response, new_uuid
from ministack.services import secretsmanager, ssm

PREFIX = "/aws/reference/secretsmanager/"
handle_request = ssm.handle_request


class Refused(Exception):
    def __init__(self, error, message):
        self.error = error
        self.response = error_response_json(error, message, 400)


def is_reference(name):
    return isinstance(name, str) and name.startswith(PREFIX)


def unread(error, message):
    return Refused(error, f"An error occurred ({error}) when referencing Secrets Manager: {message}")


def read(name, caller):
    """The parameter that stands for a secret, which `caller` must be allowed to read. @throws Refused"""
    path, colon, selector = name.partition(":")
    secret_id = path.removeprefix(PREFIX)
    _, secret = secretsmanager._resolve(secret_id)
    request = {"SecretId": secret_id, **which(secret, selector)}
    authorize(request, caller)
    valid = bool(re.fullmatch(r"[\w.-]+", selector)) if colon else True
    status, _, body = secretsmanager._get_secret_value(request) if valid else (400, {}, "")
    if status != 200:
        raise unread("ParameterNotFound", f"Secret {name} not found.")
    value = json.loads(body)
    return {
        "Name": path,
        "Type": "SecureString",
        "Value": value.get("SecretString"),
        "Version": 0,
        "SourceResult": json.dumps(value),
        "LastModifiedDate": value["CreatedDate"],
        "ARN": value["ARN"],
        "DataType": "text",
        **({"Selector": f":{selector}"} if colon else {}),
    }


def which(secret, selector):
    """What follows the colon is the id of a version, or a label."""
    if not selector:
        return {}
    known = secret and selector in secret["Versions"]
    return {"VersionId": selector} if known else {"VersionStage": selector}


def authorize(request, caller):
    """As AWS does: beside ssm:GetParameter, which is judged before, the caller needs secretsmanager:GetSecretValue."""
    headers, query_params = caller
    action = "secretsmanager:GetSecretValue"
    body = json.dumps(request).encode()
    scope = (app.extract_region(headers), get_account_id())
    arn = iam_actions.extract_resource_arn("secretsmanager", "POST", "/", headers, body, {}, *scope)
    context = iam_actions.request_tag_context("secretsmanager", action, body, {})
    denied = app._enforce_data_plane("secretsmanager", action, headers, query_params, new_uuid(), arn, context)
    if denied:
        told = json.loads(denied[2])
        raise unread("AccessDeniedException", told.get("message") or told.get("Message"))


async def answer(request, names, caller, call):
    if not request.get("WithDecryption"):
        message = "WithDecryption flag must be True for retrieving a Secret Manager secret."
        raise Refused("ValidationException", message)
    if "Name" in request:
        return json_response({"Parameter": read(names[0], caller)})
    found, invalid = [], []
    for name in filter(is_reference, names):
        try:
            found.append(read(name, caller))
        except Refused as refused:
            if refused.error != "ParameterNotFound":
                raise
            invalid.append(name)
    others = [name for name in names if not is_reference(name)]
    if others:
        status, headers, body = await call({**request, "Names": others})
        if status != 200:
            return status, headers, body
        found.extend(json.loads(body)["Parameters"])
        invalid.extend(json.loads(body)["InvalidParameters"])
    return json_response({"Parameters": found, "InvalidParameters": invalid})


async def handle(method, path, headers, body, query_params):
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    request = json.loads(body or b"{}")
    names = [request["Name"]] if "Name" in request else request.get("Names", [])
    if action not in ("GetParameter", "GetParameters") or not any(map(is_reference, names)):
        return await handle_request(method, path, headers, body, query_params)
    call = lambda others: handle_request(method, path, headers, json.dumps(others).encode(), query_params)
    try:
        return await answer(request, names, (headers, query_params), call)
    except Refused as refused:
        return refused.response


ssm.handle_request = handle
