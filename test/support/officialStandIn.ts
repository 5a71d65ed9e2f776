/**
 * @returns Python code that stands in for one of AWS's rotation functions. It has the lines that bench/official/ replaces in
 * those, and moves the labels to a new version with the same value, without a database. `atLoad` is Python that runs when the
 * module is loaded.
 */
export const officialStandIn = (atLoad: string) => `
import os
import boto3
${atLoad}
issuers = "/etc/pki/tls/cert.pem"

def knows(version):
    return version.startswith("8")

def lambda_handler(event, context):
    client = boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])
    secret, token = event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        value = client.get_secret_value(SecretId=secret)
        client.put_secret_value(
            SecretId=secret, ClientRequestToken=token, SecretString=value["SecretString"], VersionStages=["AWSPENDING"]
        )
    if event["Step"] == "finishSecret":
        client.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token,
            RemoveFromVersionId=client.get_secret_value(SecretId=secret)["VersionId"],
        )
`
