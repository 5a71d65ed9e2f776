import { arnInRegion } from '../../../rotation/arn.ts'
import { mapConcurrently } from '../../concurrency.ts'
import type { Stack } from '../../stacks.ts'
import type { CredentialFacts, Fact, ParameterFacts, RegionFacts, SecretFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import type { Collector } from './collector.ts'
import type { RotationHistories } from './histories.ts'
import { isSharable, listParameters, readParameterPolicy, readParameterTags } from './parameters.ts'
import { countSubscribers, readExposedSecrets, readFunction, readStackFacts } from './regionFacts.ts'
import { callsNeededFor, copyFactsOfPrimary, listSecrets, readSecretDetails } from './secrets.ts'
import { NOT_SWEPT } from './sweep.ts'

/** How many credentials of a Region are asked about at the same time. */
const CONCURRENT_CREDENTIAL_COUNT = 16

/** What was gathered of a Region: secrets by ARN, and parameters by name. */
export type GatheredRegion = {
  region: string
  facts: RegionFacts
  secrets: Map<string, SecretFacts>
  parameters: Map<string, ParameterFacts>
}

type RegionPlace = { region: string; account: string; stack: Fact<Stack | undefined> }

/** Reads the lists of a Region: its secrets and parameters, its stack's facts, and the stack's table of rotations. */
export async function listRegion(
  collector: Collector,
  { region, account, stack }: RegionPlace,
  histories: RotationHistories,
): Promise<GatheredRegion> {
  const secrets = new Map<string, SecretFacts>()
  const parameters = new Map<string, ParameterFacts>()
  const [allSecrets, allParameters, tagsOf, facts, exposed, subscribers] = await Promise.all([
    listSecrets(collector, region, secrets),
    listParameters(collector, region, account, parameters),
    readParameterTags(collector, region),
    readStackFactsIfAny(collector, region, stack),
    readExposedSecrets(collector, region),
    countSubscribersIfAny(collector, region, stack),
    readTable(collector, region, stack, histories),
  ])
  for (const parameter of parameters.values()) parameter.tags = tagsOf(parameter)
  return {
    region,
    secrets,
    parameters,
    facts: {
      stack: facts,
      secrets: allSecrets,
      parameters: allParameters,
      functions: {},
      exposed,
      subscribers,
      sweep: NOT_SWEPT,
    },
  }
}

/** Lists the replicas in a Region of which nothing but these, and to whom they are open, is looked at. */
export async function listReplicas(collector: Collector, region: string): Promise<GatheredRegion> {
  const secrets = new Map<string, SecretFacts>()
  const [listed, exposed] = await Promise.all([
    listSecrets(collector, region, secrets),
    readExposedSecrets(collector, region),
  ])
  for (const [arn, { primaryRegion }] of secrets) if (!primaryRegion) secrets.delete(arn)
  return {
    region,
    secrets,
    parameters: new Map(),
    facts: {
      stack: { is: undefined },
      secrets: 'is' in listed ? { is: 'replicas' } : listed,
      parameters: { is: 'none' },
      functions: {},
      exposed,
      subscribers: { is: undefined },
      sweep: NOT_SWEPT,
    },
  }
}

const readStackFactsIfAny = async (
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
): Promise<RegionFacts['stack']> => {
  if ('unread' in stack) return stack
  return stack.is ? factOf(readStackFacts(collector, region, stack.is)) : { is: undefined }
}

const countSubscribersIfAny = async (
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
): Promise<RegionFacts['subscribers']> => {
  if ('unread' in stack) return stack
  return stack.is ? countSubscribers(collector, region, stack.is) : { is: undefined }
}

async function readTable(
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
  histories: RotationHistories,
): Promise<void> {
  if ('unread' in stack) return histories.markUnread(region, stack.unread)
  if (!stack.is) return
  const { RotationTableName: table } = stack.is.outputs
  if (!table) return histories.markUnread(region, 'the stack is older than the table of rotations')
  await histories.readTable(collector, region, table)
}

/** Reads what the lists do not tell of the secrets, of their rotation functions, and of parameters. */
export async function readDetails(
  collector: Collector,
  { secrets, parameters, facts }: GatheredRegion,
): Promise<void> {
  const primaries = [...secrets.values()].filter(secret => callsNeededFor(secret).length)
  await mapConcurrently(primaries, CONCURRENT_CREDENTIAL_COUNT, async secret => {
    if (!(await readSecretDetails(collector, secret))) secrets.delete(secret.arn)
  })
  const sharable = [...parameters.values()].filter(isSharable)
  await mapConcurrently(sharable, CONCURRENT_CREDENTIAL_COUNT, parameter =>
    readParameterPolicy(collector, parameter),
  )
  await mapConcurrently(rotationFunctionArnsOf(secrets), CONCURRENT_CREDENTIAL_COUNT, async arn => {
    facts.functions[arn] = await readFunction(collector, arn)
  })
  facts.functions = Object.fromEntries(Object.entries(facts.functions).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** ARNs of the rotation functions of the secrets, each once. */
export const rotationFunctionArnsOf = (secrets: GatheredRegion['secrets']): string[] =>
  [...new Set([...secrets.values()].flatMap(({ rotation }) => rotation.functionArn ?? []))].sort()

/** All secrets and parameters of a Region. */
export const credentialsOf = ({ secrets, parameters }: GatheredRegion): CredentialFacts[] => [
  ...secrets.values(),
  ...parameters.values(),
]

/** Puts what the tables of rotations have into the facts of each credential. */
export function addHistories(gathered: GatheredRegion, histories: RotationHistories): void {
  for (const credential of credentialsOf(gathered))
    credential.history = histories.historyOf(
      gathered.region,
      credential.store,
      credential.arn,
      credential.name,
    )
}

/** Gives each replica the facts that are read of its primary only. */
export function copyFactsOfPrimaries(regions: GatheredRegion[]): void {
  const regionsByName = new Map(regions.map(gathered => [gathered.region, gathered]))
  for (const { secrets } of regions)
    for (const secret of secrets.values()) {
      const { primaryRegion } = secret
      if (!primaryRegion) continue
      const primaryArn = arnInRegion(secret.arn, primaryRegion)
      copyFactsOfPrimary(secret, regionsByName.get(primaryRegion)?.secrets.get(primaryArn))
    }
}

/** The Regions that have a replica of one of the secrets, and are not among `regions`. */
export function otherReplicaRegions(regions: GatheredRegion[]): string[] {
  const known = new Set(regions.map(({ region }) => region))
  const named = regions.flatMap(({ secrets }) =>
    [...secrets.values()].flatMap(({ replicas }) =>
      'is' in replicas ? replicas.is.map(({ region }) => region) : [],
    ),
  )
  return [...new Set(named)].filter(region => region && !known.has(region)).sort()
}
