"""
Parameter Store: reads of a secret as the parameter /aws/reference/secretsmanager/<secret>. As in AWS, only GetParameter and
GetParameters know such parameters:
https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
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
    """The request is answered with this error."""

    def __init__(self, error, message):
        self.error = error
        self.response = error_response_json(error, message, 400)


def is_reference(name):
    return isinstance(name, str) and name.startswith(PREFIX)


def reference_error(error, message):
    """The error for a secret that could not be read."""
    return Refused(error, f"An error occurred ({error}) when referencing Secrets Manager: {message}")


def read(name, caller):
    """The parameter that stands for a secret. Raises Refused if the caller may not read the secret, or if there is none."""
    path, colon, selector = name.partition(":")
    secret_id = path.removeprefix(PREFIX)
    _, secret = secretsmanager._resolve(secret_id)
    request = {"SecretId": secret_id, **version_of(secret, selector)}
    authorize(request, caller)
    is_valid = bool(re.fullmatch(r"[\w.-]+", selector)) if colon else True
    status, _, body = secretsmanager._get_secret_value(request) if is_valid else (400, {}, "")
    if status != 200:
        raise reference_error("ParameterNotFound", f"Secret {name} not found.")
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


def version_of(secret, selector):
    """The version that a selector (the text after the colon) asks for, by id or by label, as parameters of GetSecretValue."""
    if not selector:
        return {}
    is_id = secret and selector in secret["Versions"]
    return {"VersionId": selector} if is_id else {"VersionStage": selector}


def authorize(request, caller):
    """Checks that the caller has secretsmanager:GetSecretValue; MiniStack has checked ssm:GetParameter before. Raises Refused."""
    headers, query_params = caller
    action = "secretsmanager:GetSecretValue"
    body = json.dumps(request).encode()
    scope = (app.extract_region(headers), get_account_id())
    arn = iam_actions.extract_resource_arn("secretsmanager", "POST", "/", headers, body, {}, *scope)
    context = iam_actions.request_tag_context("secretsmanager", action, body, {})
    denied = app._enforce_data_plane("secretsmanager", action, headers, query_params, new_uuid(), arn, context)
    if denied:
        answer = json.loads(denied[2])
        raise reference_error("AccessDeniedException", answer.get("message") or answer.get("Message"))


async def answer(request, names, caller, call_parameter_store):
    """Answers GetParameter or GetParameters: references from Secrets Manager, other names by `call_parameter_store`."""
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
        status, headers, body = await call_parameter_store({**request, "Names": others})
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
    call_parameter_store = lambda others: handle_request(method, path, headers, json.dumps(others).encode(), query_params)
    try:
        return await answer(request, names, (headers, query_params), call_parameter_store)
    except Refused as refused:
        return refused.response


ssm.handle_request = handle
