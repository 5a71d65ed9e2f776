import { boto } from './boto.ts'

const script = `
import boto3, io, json, sys, zipfile
name = sys.argv[1]
trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as file:
    file.writestr("index.py", "def handler(event, context):\\n    pass\\n")
functions = boto3.client("lambda")
made = functions.create_function(FunctionName=name, Runtime="python3.12", Role=role, Handler="index.handler",
                                 Code={"ZipFile": code.getvalue()})
functions.add_permission(FunctionName=name, StatementId="rotate", Action="lambda:InvokeFunction",
                         Principal="secretsmanager.amazonaws.com")
print(made["FunctionArn"], end="")`

/**
 * Makes a rotation function on a local AWS that does nothing. Its name is like those that CloudFormation makes for AWS's template.
 * @param bin the folder of the Python environment @param env environment variables of somebody who may make functions @returns its ARN
 */
export const templateFunction = (bin: string, env: Record<string, string>): Promise<string> =>
  boto({ bin, env }, script, ['SecretsManagerPostgreSQLRotationSingleUser-1A2B3C'])
