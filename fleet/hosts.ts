import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { Credential } from '../rotation/credential.ts'
import { traits } from '../rotation/engines/traits.ts'
import type { Scheduled } from './inventory.ts'

/** As many names as GetParameters takes. */
const NAMES = 10

/**
 * The database server that each credential is for, `host:port`, which only its value tells. '' where there is none or
 * it cannot be found out: the rotation itself will say why.
 */
export async function hostsOf(
  credentials: Scheduled[],
  { ssm, secrets }: { ssm: SSMClient; secrets: SecretsManagerClient },
): Promise<Map<Scheduled, string>> {
  const hosts = new Map<Scheduled, string>()
  const parameters = credentials.filter(({ store }) => store === 'parameter-store')
  for (let start = 0; start < parameters.length; start += NAMES) {
    const some = parameters.slice(start, start + NAMES)
    const values = await parameterValues(
      ssm,
      some.map(({ id }) => id),
    )
    for (const credential of some) hosts.set(credential, hostIn(values.get(credential.id)))
  }
  for (const credential of credentials.filter(({ store }) => store === 'secrets-manager'))
    hosts.set(credential, hostIn(await secretValue(secrets, credential.id)))
  return hosts
}

async function parameterValues(ssm: SSMClient, Names: string[]): Promise<Map<string, string | undefined>> {
  try {
    const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names, WithDecryption: true }))
    return new Map(Parameters.map(({ Name = '', Value }) => [Name, Value]))
  } catch {
    return new Map()
  }
}

async function secretValue(secrets: SecretsManagerClient, SecretId: string): Promise<string | undefined> {
  try {
    const which = { SecretId, VersionStage: 'AWSCURRENT' }
    return (await secrets.send(new GetSecretValueCommand(which))).SecretString
  } catch {
    return undefined
  }
}

function hostIn(text = ''): string {
  try {
    const { engine, host, port } = Credential.parse(text)
    return `${host.toLowerCase()}:${port ?? traits[engine].port}`
  } catch {
    return ''
  }
}
