import { randomUUID } from 'node:crypto'
import { boto } from './boto.ts'

const script = `
import boto3, json, sys
iam, user = boto3.client("iam"), sys.argv[1]
iam.create_user(UserName=user)
for n, document in enumerate(sys.argv[2:]):
    made = iam.create_policy(PolicyName=f"{user}-{n}", PolicyDocument=document)
    iam.attach_user_policy(UserName=user, PolicyArn=made["Policy"]["Arn"])
key = iam.create_access_key(UserName=user)["AccessKey"]
print(json.dumps({"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}))`

/** A user's AWS credentials, as environment variables. */
export type Credentials = { AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string }

/** The same credentials for a client of the SDK. */
export const credentialsIn = ({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }: NodeJS.ProcessEnv) => ({
  accessKeyId: `${AWS_ACCESS_KEY_ID}`,
  secretAccessKey: `${AWS_SECRET_ACCESS_KEY}`,
})

/**
 * Makes an IAM user of a local AWS who has only these policies.
 * @param bin the folder of the Python environment @param env environment variables of somebody who may make users
 */
export async function personWith(
  bin: string,
  env: Record<string, string>,
  policies: object[],
): Promise<Credentials> {
  const words = [randomUUID(), ...policies.map(policy => JSON.stringify(policy))]
  return JSON.parse(await boto({ bin, env }, script, words))
}
