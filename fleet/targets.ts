import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { arnInRegion } from '../rotation/arn.ts'
import { callAws } from '../rotation/callAws.ts'
import { Credential } from '../rotation/credential.ts'
import { Throttled } from '../rotation/errors.ts'
import { isHost } from '../rotation/host.ts'
import { connectionIn, isOpaque } from '../rotation/tags.ts'
import type { ScheduledCredential } from './inventory.ts'

/** How many names GetParameters takes. https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html */
const NAMES_PER_CALL = 10

type Clients = { ssm: SSMClient; secrets: SecretsManagerClient }

/**
 * Where a credential rotates: its database server as `host:port`, and the ARN of its admin's secret, if it names one. The
 * address is '' if there is no server, or it cannot be found out.
 */
type RotationTarget = { address: string; adminArn?: string | undefined }

/**
 * Finds out where each credential rotates. This is read from its value, or from the parameter that its tag keyturn:connection
 * names. Where it cannot be read the address is '', as the rotation itself will report the reason. The address is '' as well if
 * the host does not look like one: the text may be a password in the wrong field.
 * @throws Throttled
 */
export async function findTargets(
  credentials: ScheduledCredential[],
  clients: Clients,
): Promise<Map<ScheduledCredential, RotationTarget>> {
  const connections = credentials.flatMap(credential => connectionOf(credential) ?? [])
  const values = await fetchParameterValues(clients.ssm, [...new Set(connections)])
  const targets = new Map<ScheduledCredential, RotationTarget>()
  for (const credential of credentials) {
    const connection = connectionOf(credential)
    if (connection) targets.set(credential, parseTarget(values.get(connection), connection !== credential.id))
    else if (isOpaque(credential.tags)) targets.set(credential, { address: '' })
    else targets.set(credential, parseTarget(await fetchSecretValue(clients.secrets, credential.id)))
  }
  return targets
}

/** The admin of each credential that names one of the others as its admin. */
export function matchAdmins(
  targets: Map<ScheduledCredential, RotationTarget>,
): Map<ScheduledCredential, ScheduledCredential> {
  const secrets = new Map<string, ScheduledCredential>()
  // A value may name the admin by an ARN without the hyphen and the six random characters at its end:
  // https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html
  for (const credential of targets.keys())
    for (const arn of credential.arn ? [credential.arn, credential.arn.slice(0, -7)] : [])
      secrets.set(arnInRegion(arn, ''), credential)
  const admins = new Map<ScheduledCredential, ScheduledCredential>()
  for (const [credential, { adminArn }] of targets) {
    // The ARN may name another Region: a rotation reads the admin's secret in this one.
    const admin = adminArn && secrets.get(arnInRegion(adminArn, ''))
    if (admin) admins.set(credential, admin)
  }
  return admins
}

/**
 * The parameter that tells where a credential logs in: the one that its tag keyturn:connection names, or else the credential
 * itself, if it is a parameter.
 */
function connectionOf(credential: ScheduledCredential): string | undefined {
  if (isOpaque(credential.tags)) return undefined
  const own = credential.store === 'parameter-store' ? credential.id : undefined
  return connectionIn(credential.tags) ?? own
}

async function fetchParameterValues(ssm: SSMClient, names: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (let start = 0; start < names.length; start += NAMES_PER_CALL)
    for (const [name, value] of await fetchValues(ssm, names.slice(start, start + NAMES_PER_CALL)))
      found.set(name, value)
  return found
}

/**
 * The names and values of parameters. Parameter Store refuses the whole call if one is not permitted: then each is asked for
 * alone.
 */
async function fetchValues(ssm: SSMClient, Names: string[]): Promise<[string, string][]> {
  const command = new GetParametersCommand({ Names, WithDecryption: true })
  const answer = await callAws('Parameter Store', () => ssm.send(command)).catch(ignoreUnlessThrottled)
  if (answer) return (answer.Parameters ?? []).map(({ Name = '', Value = '' }) => [Name, Value])
  if (Names.length === 1) return []
  const each: [string, string][] = []
  for (const name of Names) each.push(...(await fetchValues(ssm, [name])))
  return each
}

async function fetchSecretValue(
  secrets: SecretsManagerClient,
  SecretId: string,
): Promise<string | undefined> {
  const command = new GetSecretValueCommand({ SecretId, VersionStage: 'AWSCURRENT' })
  const answer = await callAws('Secrets Manager', () => secrets.send(command)).catch(ignoreUnlessThrottled)
  return answer?.SecretString
}

/** Rethrows Throttled, and ignores other errors. */
function ignoreUnlessThrottled(error: unknown): undefined {
  if (error instanceof Throttled) throw error
}

function parseTarget(text = '', isConnection = false): RotationTarget {
  try {
    // A connection is parsed together with a password, in whose place any text will do.
    const credential = isConnection ? Credential.passwordOnlyParser(text)('-') : Credential.parse(text)
    const { host, address, masterarn } = credential
    return { address: isHost(host) ? address : '', adminArn: masterarn }
  } catch {
    return { address: '' }
  }
}
