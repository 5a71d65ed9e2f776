"""
Secrets Manager: replicas. MiniStack itself has ReplicateSecretToRegions, and its replicas get each change at once. With this
CreateSecret makes replicas too, they can be promoted and removed, and what AWS refuses is refused with AWS's messages.
"""

import json

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import secretsmanager

EXISTS = "Secret with this name already exists in this region"
create_secret = secretsmanager._create_secret
update_secret = secretsmanager._update_secret
delete_secret = secretsmanager._delete_secret
put_resource_policy = secretsmanager._put_resource_policy
delete_resource_policy = secretsmanager._delete_resource_policy
replicate_secret_to_regions = secretsmanager._replicate_secret_to_regions
sync_replicas = secretsmanager._sync_replicas
handle_request = secretsmanager.handle_request


def not_on_replica():
    return error_response_json(
        "InvalidParameterException",
        "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
        400,
    )


def resolve(data):
    """The secret that a request is about, if it is there and not marked for deletion."""
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    return secret if secret and not secret.get("DeletedDate") else None


def refusing_replicas(call):
    """The call, refused if it is about a replica."""

    def refuse_or_call(data):
        secret = resolve(data)
        return not_on_replica() if secret and secretsmanager._is_replica(secret) else call(data)

    return refuse_or_call


def arn_and_status(secret):
    return {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}


def in_region(secret, region):
    """The secret of the same name in another Region, be it a replica or not."""
    return secretsmanager._secrets.get_scoped(get_account_id(), region, secret["Name"])


def is_replica_of(other, secret):
    return bool(other) and other.get("_PrimarySecretArn") == secret["ARN"]


def create(data):
    """CreateSecret. If its replicas are refused, no secret is made."""
    status, headers, body = create_secret(data)
    if status != 200 or not data.get("AddReplicaRegions"):
        return status, headers, body
    created = json.loads(body)
    replicated = replicate({**data, "SecretId": created["ARN"]})
    if replicated[0] != 200:
        del secretsmanager._secrets[created["Name"]]
        return replicated
    return json_response({**created, **json.loads(replicated[2])})


def replicate(data):
    """ReplicateSecretToRegions. Where the name is taken the replica's status is Failed; the call succeeds."""
    secret = resolve(data)
    if not secret or secretsmanager._is_replica(secret):
        return replicate_secret_to_regions(data)  # MiniStack answers with the error.
    taken, free = [], []
    for wanted in data.get("AddReplicaRegions", []):
        other = in_region(secret, wanted["Region"])
        is_taken = other and not is_replica_of(other, secret) and wanted["Region"] != get_region()
        (taken if is_taken and not data.get("ForceOverwriteReplicaSecret") else free).append(wanted)
    status, headers, body = replicate_secret_to_regions({**data, "AddReplicaRegions": free})
    if status != 200:
        return status, headers, body
    failed = [{**wanted, "Status": "Failed", "StatusMessage": EXISTS} for wanted in taken]
    unlist(secret, [wanted["Region"] for wanted in taken])
    secret["ReplicationStatus"] += failed
    remove_rotation_of_replicas(secret)
    return json_response(arn_and_status(secret))


def unlist(secret, regions):
    statuses = secret["ReplicationStatus"]
    secret["ReplicationStatus"] = [status for status in statuses if status["Region"] not in regions]


def sync(secret):
    sync_replicas(secret)
    remove_rotation_of_replicas(secret)


def remove_rotation_of_replicas(secret):
    """MiniStack copies the rotation configuration to replicas, which have none here."""
    for status in secret.get("ReplicationStatus", []):
        replica = in_region(secret, status["Region"])
        if is_replica_of(replica, secret):
            replica.update(RotationEnabled=False, RotationLambdaARN=None, RotationRules=None)


def remove(data):
    """RemoveRegionsFromReplication: also deletes the replicas, with their policies."""
    secret = resolve(data)
    if not secret:
        return delete_secret(data)  # MiniStack answers with the error.
    for region in data["RemoveReplicaRegions"]:
        replica = in_region(secret, region)
        if is_replica_of(replica, secret):
            secretsmanager._resource_policies.pop_scoped(get_account_id(), region, replica["ARN"], None)
            secretsmanager._secrets.pop_scoped(get_account_id(), region, secret["Name"], None)
    unlist(secret, data["RemoveReplicaRegions"])
    return json_response(arn_and_status(secret))


def stop(data):
    """StopReplicationToReplica: the replica becomes a secret of its own, and its primary no longer lists it."""
    secret = resolve(data)
    if not secret:
        return delete_secret(data)  # MiniStack answers with the error.
    if not secretsmanager._is_replica(secret):
        return error_response_json("InvalidRequestException", "The secret is not a replica.", 400)
    secretsmanager._unlink_from_primary(secret)
    del secret["_PrimarySecretArn"], secret["_PrimaryRegion"]
    return json_response({"ARN": secret["ARN"]})


def update(data):
    """UpdateSecret: the KMS key of a replica is the only thing that is changed in the replica's own Region."""
    secret = resolve(data)
    changed = set(data) - {"SecretId", "ClientRequestToken"}
    if not secret or not secretsmanager._is_replica(secret) or changed != {"KmsKeyId"}:
        return update_secret(data)
    secret["KmsKeyId"] = data["KmsKeyId"]
    primary = in_region(secret, secret["_PrimaryRegion"])
    for status in primary["ReplicationStatus"]:
        if status["Region"] == get_region():
            status["KmsKeyId"] = data["KmsKeyId"]
    return json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


def delete(data):
    """DeleteSecret: refused for a secret with replicas."""
    secret = resolve(data)
    regions = [status["Region"] for status in secret.get("ReplicationStatus", [])] if secret else []
    if not regions:
        return delete_secret(data)
    message = f"You can't delete secret {secret['ARN']} that still has replica regions [{', '.join(regions)}]."
    return error_response_json("InvalidParameterException", message, 400)


actions = {
    "RemoveRegionsFromReplication": refusing_replicas(remove),
    "StopReplicationToReplica": stop,
}


async def handle(method, path, headers, body, query_params):
    action = actions.get(headers.get("x-amz-target", "").rpartition(".")[2])
    return action(json.loads(body)) if action else await handle_request(method, path, headers, body, query_params)


secretsmanager._replica_mutation_error = not_on_replica
secretsmanager._create_secret = create
secretsmanager._update_secret = update
secretsmanager._delete_secret = delete
secretsmanager._put_resource_policy = refusing_replicas(put_resource_policy)
secretsmanager._delete_resource_policy = refusing_replicas(delete_resource_policy)
secretsmanager._replicate_secret_to_regions = replicate
secretsmanager._sync_replicas = sync
secretsmanager.handle_request = handle
