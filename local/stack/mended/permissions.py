"""
IAM: condition keys of Secrets Manager, the resources of calls to Parameter Store, the action of one call to Lambda, and
aws:SecureTransport, as far as the roles of the stack need them.
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
    The condition keys of a request. As IAM does, it has those of Secrets Manager: the label that is read, the rotation function
    in the request and the one that the secret has, and the Region of the secret's primary.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
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
    The ARN of the resource that a request is about. As IAM does, it leaves a parameter's version out, and takes the path of a call
    by path. For a call with several names it takes what all of them begin with, so that a policy that allows this path allows the
    call; for GetParameters it takes the first name, as a condition on tags needs one parameter.
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
    """The action of a request. As IAM does, reading one event source mapping is another action than listing them."""
    is_one = method == "GET" and path.partition("/event-source-mappings/")[2].strip("/")
    return "GetEventSourceMapping" if is_one else lambda_action(method, path)


iam_actions._lambda_action = action_on_function
pin_request_origin = app.pin_request_origin


def origin_in_this_machine(source_ip, secure_transport):
    """
    A request from this machine counts as one over TLS: the policy of the bucket with the functions' code denies requests without
    TLS to everybody but the account's root.
    """
    pin_request_origin(source_ip, secure_transport or source_ip == "127.0.0.1")


app.pin_request_origin = origin_in_this_machine
