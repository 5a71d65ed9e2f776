"""
IAM: the label, the rotation function, the primary's Region and the parameters' names by which the roles limit who
reads what, the name of one call of Lambda, and what counts as TLS.
"""

import json
from os.path import commonprefix

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_region
from ministack.services import secretsmanager

request_tag_context = iam_actions.request_tag_context


def request_context(service, action, body, parameters):
    """
    What policies may ask about a request: as IAM does, also which stage of a secret it reads, which function it has
    rotate the secret, which one does so far, and where its primary is.
    """
    context = request_tag_context(service, action, body, parameters)
    if service != "secretsmanager":
        return context
    request = json.loads(body)
    _, secret = secretsmanager._resolve(request.get("SecretId"))
    more = {
        "secretsmanager:VersionStage": action == "secretsmanager:GetSecretValue" and request.get("VersionStage"),
        "secretsmanager:RotationLambdaARN": request.get("RotationLambdaARN"),
        "secretsmanager:resource/AllowRotationLambdaArn": secret and secret.get("RotationLambdaARN"),
        "secretsmanager:SecretPrimaryRegion": secret and (secret.get("_PrimaryRegion") or get_region()),
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
lambda_action = iam_actions._lambda_action


def action_on_function(method, path):
    """As IAM does: a look at one reader of a queue is no list of all of them."""
    one = method == "GET" and path.partition("/event-source-mappings/")[2].strip("/")
    return "GetEventSourceMapping" if one else lambda_action(method, path)


iam_actions._lambda_action = action_on_function
pin_request_origin = app.pin_request_origin


def origin_in_this_machine(source_ip, secure_transport):
    """
    What stays within this machine counts as TLS: the policy of the bucket with the functions' code asks for that, and
    refuses everybody else but the account's root.
    """
    pin_request_origin(source_ip, secure_transport or source_ip == "127.0.0.1")


app.pin_request_origin = origin_in_this_machine
