"""Secrets Manager: values and labels of versions."""

import json
import time

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import secretsmanager

create_secret = secretsmanager._create_secret
put_secret_value = secretsmanager._put_secret_value
get_secret_value = secretsmanager._get_secret_value


def value_in(holder):
    return holder.get("SecretString"), holder.get("SecretBinary")


def dated(version):
    """The version with an exact date. MiniStack has whole seconds, which do not tell the order of versions."""
    version["CreatedDate"] = time.time()
    return version


def create(data):
    """As Secrets Manager does: the caller's token is the version's id, and without a value there is no version."""
    status, headers, body = create_secret(data)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    _, secret = secretsmanager._resolve(answer["ARN"])
    version = secret["Versions"].pop(answer.pop("VersionId"))
    if any(value_in(version)):
        answer["VersionId"] = data.get("ClientRequestToken") or new_uuid()
        secret["Versions"][answer["VersionId"]] = dated(version)
    secretsmanager._sync_replicas(secret)
    return json_response(answer)


def put(data):
    """
    As Secrets Manager does: a version's value is written once, and a label is on one version. MiniStack leaves AWSPENDING on an
    earlier version too, so that a later rotation takes a rotation that succeeded for an abandoned one.
    """
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    token = data.get("ClientRequestToken")
    version = secret["Versions"].get(token) if secret and not secret.get("DeletedDate") else None
    if version and any(value_in(version)):
        if value_in(version) != value_in(data):
            message = "You can't modify an existing version, you can only create a new version."
            return error_response_json("ResourceExistsException", message, 400)
        arn_and_name = {"ARN": secret["ARN"], "Name": secret["Name"]}
        return json_response({**arn_and_name, "VersionId": token, "VersionStages": list(version["Stages"])})
    response = put_secret_value(data)
    if secret and token in secret["Versions"]:
        for label in secret["Versions"][token]["Stages"]:
            secretsmanager._remove_stage_everywhere(secret, label, except_version_id=token)
        dated(secret["Versions"][token])
        secretsmanager._sync_replicas(secret)
    return response


def get(data):
    """As Secrets Manager does: a version without a value is not found, and one without the requested label is refused."""
    status, headers, body = get_secret_value(data)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    version, label = data.get("VersionId"), data.get("VersionStage")
    if version and label and label not in answer["VersionStages"]:
        message = "You provided a VersionStage that is not associated to the provided VersionId."
        return error_response_json("InvalidRequestException", message, 400)
    if not any(value_in(answer)):
        which = f"VersionId: {version}" if version else f"staging label: {label or 'AWSCURRENT'}"
        message = f"Secrets Manager can't find the specified secret value for {which}"
        return error_response_json("ResourceNotFoundException", message, 400)
    return status, headers, body


secretsmanager._create_secret = create
secretsmanager._put_secret_value = put
secretsmanager._get_secret_value = get
