import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { Credential } from '../rotation/credential.ts'
import { Throttled } from '../rotation/errors.ts'
import { answered } from '../rotation/stores/awsErrors.ts'
import type { Scheduled } from './inventory.ts'

/** As many names as GetParameters takes. */
const NAMES = 10

type Clients = { ssm: SSMClient; secrets: SecretsManagerClient }

/**
 * The database server that each credential is for, `host:port`, which only its value tells, or the parameter that its
 * tag keyturn:connection names. '' where there is none or it cannot be found out: the rotation itself will say why.
 * @throws Throttled
 */
export async function hostsOf(credentials: Scheduled[], clients: Clients): Promise<Map<Scheduled, string>> {
  const connections = credentials.flatMap(credential => connectionOf(credential) ?? [])
  const values = await parameterValues(clients.ssm, [...new Set(connections)])
  const hosts = new Map<Scheduled, string>()
  for (const credential of credentials) {
    const connection = connectionOf(credential)
    if (connection) hosts.set(credential, hostIn(values.get(connection), connection !== credential.id))
    else if (isOpaque(credential)) hosts.set(credential, '')
    else hosts.set(credential, hostIn(await secretValue(clients.secrets, credential.id)))
  }
  return hosts
}

const isOpaque = ({ tags }: Scheduled) => tags['keyturn:engine'] === 'opaque'

/** The parameter that tells where a credential logs in: the one that is tagged, or the credential itself. */
function connectionOf(credential: Scheduled): string | undefined {
  if (isOpaque(credential)) return undefined
  const own = credential.store === 'parameter-store' ? credential.id : undefined
  return credential.tags['keyturn:connection'] || own
}

async function parameterValues(ssm: SSMClient, names: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (let start = 0; start < names.length; start += NAMES)
    for (const [name, value] of await someValues(ssm, names.slice(start, start + NAMES)))
      found.set(name, value)
  return found
}

/** Parameter Store refuses all of them for the sake of one; then each is asked for by itself. */
async function someValues(ssm: SSMClient, Names: string[]): Promise<[string, string][]> {
  const command = new GetParametersCommand({ Names, WithDecryption: true })
  const answer = await unlessRefused('Parameter Store', ssm.send(command))
  if (answer) return (answer.Parameters ?? []).map(({ Name = '', Value = '' }) => [Name, Value])
  if (Names.length === 1) return []
  const each: [string, string][] = []
  for (const name of Names) each.push(...(await someValues(ssm, [name])))
  return each
}

async function secretValue(secrets: SecretsManagerClient, SecretId: string): Promise<string | undefined> {
  const command = new GetSecretValueCommand({ SecretId, VersionStage: 'AWSCURRENT' })
  return (await unlessRefused('Secrets Manager', secrets.send(command)))?.SecretString
}

async function unlessRefused<T>(service: string, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answered(service, answer)
  } catch (error) {
    if (error instanceof Throttled) throw error
    return undefined
  }
}

function hostIn(text = '', isConnection = false): string {
  try {
    return (isConnection ? Credential.passwordOnly(text)('-') : Credential.parse(text)).address
  } catch {
    return ''
  }
}
