import { arnInRegion } from '../../../rotation/arn.ts'
import { mapConcurrently } from '../../concurrency.ts'
import type { Stack } from '../../stacks.ts'
import type { CredentialFacts, Fact, ParameterFacts, RegionFacts, SecretFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import type { Collector } from './collector.ts'
import type { RotationHistories } from './histories.ts'
import {
  isSharable,
  type ListedParameters,
  listParameters,
  readParameterPolicy,
  readParameterTags,
} from './parameters.ts'
import { countSubscribers, readExposedSecrets, readFunction, readStackFacts } from './regionFacts.ts'
import { callsNeededFor, copyFactsOfPrimary, listSecrets, readSecretDetails } from './secrets.ts'
import { NOT_SWEPT } from './sweep.ts'

/** So many credentials of a Region are asked about at the same time. */
const CONCURRENT_CREDENTIAL_COUNT = 16

/** What was gathered of a Region. Secrets are by ARN, and parameters by name. */
export type GatheredRegion = {
  region: string
  facts: RegionFacts
  secrets: Map<string, SecretFacts>
  parameters: Map<string, ParameterFacts>
}

type RegionPlace = { region: string; account: string; stack: Fact<Stack | undefined> }

/** Reads the lists of a Region: its credentials as far as these tell of them, its stack, and the stack's table of rotations. */
export async function listRegion(
  collector: Collector,
  { region, account, stack }: RegionPlace,
  histories: RotationHistories,
): Promise<GatheredRegion> {
  const secrets = new Map<string, SecretFacts>()
  const parameters: ListedParameters = { found: new Map(), pending: new Map() }
  const [allSecrets, allParameters, tagsOf, facts, exposed, subscribers] = await Promise.all([
    listSecrets(collector, region, secrets),
    listParameters(collector, region, account, parameters),
    readParameterTags(collector, region),
    readStackFactsIfAny(collector, region, stack),
    readExposedSecrets(collector, region),
    countSubscribersIfAny(collector, region, stack),
    readTable(collector, region, stack, histories),
  ])
  for (const parameter of parameters.found.values()) parameter.tags = tagsOf(parameter)
  return {
    region,
    secrets,
    parameters: parameters.found,
    facts: {
      ...{ stack: facts, secrets: allSecrets, parameters: allParameters },
      ...{ functions: {}, exposed, subscribers, sweep: NOT_SWEPT },
    },
  }
}

/** Lists the replicas that a Region has of secrets of other ones, where nothing else is looked at. */
export async function listReplicas(collector: Collector, region: string): Promise<GatheredRegion> {
  const secrets = new Map<string, SecretFacts>()
  const [listed, exposed] = await Promise.all([
    listSecrets(collector, region, secrets),
    readExposedSecrets(collector, region),
  ])
  for (const [arn, { primaryRegion }] of secrets) if (!primaryRegion) secrets.delete(arn)
  return {
    ...{ region, secrets, parameters: new Map() },
    facts: {
      stack: { is: undefined },
      secrets: 'is' in listed ? { is: 'replicas' } : listed,
      parameters: { is: 'none' },
      ...{ functions: {}, exposed, subscribers: { is: undefined }, sweep: NOT_SWEPT },
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

/** Asks for all that the lists do not tell of the secrets, of their functions, and of parameters. */
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

/** ARNs of the functions that secrets name as their rotation function. */
export const rotationFunctionArnsOf = (secrets: GatheredRegion['secrets']): string[] =>
  [...new Set([...secrets.values()].flatMap(({ rotation }) => rotation.functionArn ?? []))].sort()

/** All that a Region has of the fleet. */
export const credentialsOf = ({ secrets, parameters }: GatheredRegion): CredentialFacts[] => [
  ...secrets.values(),
  ...parameters.values(),
]

/** Puts what the tables know into each credential. */
export function addHistories(gathered: GatheredRegion, histories: RotationHistories): void {
  for (const credential of credentialsOf(gathered))
    credential.history = histories.historyOf(
      gathered.region,
      credential.store,
      credential.arn,
      credential.name,
    )
}

/** Gives each replica what only its primary is asked for. */
export function copyFactsOfPrimaries(regions: GatheredRegion[]): void {
  const byName = new Map(regions.map(gathered => [gathered.region, gathered]))
  for (const { secrets } of regions)
    for (const secret of secrets.values()) {
      const { primaryRegion: home } = secret
      if (home) copyFactsOfPrimary(secret, byName.get(home)?.secrets.get(arnInRegion(secret.arn, home)))
    }
}

/** Regions that a primary has a replica in, and that are none of these. */
export function otherReplicaRegions(regions: GatheredRegion[]): string[] {
  const known = new Set(regions.map(({ region }) => region))
  const named = regions.flatMap(({ secrets }) =>
    [...secrets.values()].flatMap(({ replicas }) =>
      'is' in replicas ? replicas.is.map(({ region }) => region) : [],
    ),
  )
  return [...new Set(named)].filter(region => region && !known.has(region)).sort()
}
