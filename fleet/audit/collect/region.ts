import { inRegion } from '../../../rotation/arn.ts'
import { all } from '../../pool.ts'
import type { Stack } from '../../stacks.ts'
import type { CredentialFacts, Fact, ParameterFacts, RegionFacts, SecretFacts } from '../facts.ts'
import { factOf } from './asking.ts'
import type { Collector } from './collector.ts'
import type { Histories } from './histories.ts'
import { isSharable, listParameters, lookAtParameter, type Parameters, parameterTags } from './parameters.ts'
import { exposedIn, functionOf, stackFacts, subscribersOf } from './regions.ts'
import { callsAbout, followPrimary, listSecrets, lookAtSecret } from './secrets.ts'
import { unswept } from './sweep.ts'

/** So many credentials of a Region are asked about at the same time. */
const AT_ONCE = 16

/** What was gathered of a Region. Secrets are by ARN, and parameters by name. */
export type Gathered = {
  region: string
  facts: RegionFacts
  secrets: Map<string, SecretFacts>
  parameters: Map<string, ParameterFacts>
}

type Place = { region: string; account: string; stack: Fact<Stack | undefined> }

/** Reads the lists of a Region: its credentials as far as these tell of them, its stack, and the stack's table of rotations. */
export async function listRegion(
  collector: Collector,
  { region, account, stack }: Place,
  histories: Histories,
): Promise<Gathered> {
  const secrets = new Map<string, SecretFacts>()
  const parameters: Parameters = { found: new Map(), pending: new Map() }
  const [allSecrets, allParameters, tagsOf, facts, exposed, subscribers] = await Promise.all([
    listSecrets(collector, region, secrets),
    listParameters(collector, region, account, parameters),
    parameterTags(collector, region),
    aboutStack(collector, region, stack),
    exposedIn(collector, region),
    subscribersIn(collector, region, stack),
    readTable(collector, region, stack, histories),
  ])
  for (const parameter of parameters.found.values()) parameter.tags = tagsOf(parameter)
  return {
    region,
    secrets,
    parameters: parameters.found,
    facts: {
      ...{ stack: facts, secrets: allSecrets, parameters: allParameters },
      ...{ functions: {}, exposed, subscribers, sweep: unswept },
    },
  }
}

/** Lists the replicas that a Region has of secrets of other ones, where nothing else is looked at. */
export async function listReplicas(collector: Collector, region: string): Promise<Gathered> {
  const secrets = new Map<string, SecretFacts>()
  const [listed, exposed] = await Promise.all([
    listSecrets(collector, region, secrets),
    exposedIn(collector, region),
  ])
  for (const [arn, { primaryRegion }] of secrets) if (!primaryRegion) secrets.delete(arn)
  return {
    ...{ region, secrets, parameters: new Map() },
    facts: {
      stack: { is: undefined },
      secrets: 'is' in listed ? { is: 'replicas' } : listed,
      parameters: { is: 'none' },
      ...{ functions: {}, exposed, subscribers: { is: undefined }, sweep: unswept },
    },
  }
}

const aboutStack = async (
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
): Promise<RegionFacts['stack']> => {
  if ('unread' in stack) return stack
  return stack.is ? factOf(stackFacts(collector, region, stack.is)) : { is: undefined }
}

const subscribersIn = async (
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
): Promise<RegionFacts['subscribers']> => {
  if ('unread' in stack) return stack
  return stack.is ? subscribersOf(collector, region, stack.is) : { is: undefined }
}

async function readTable(
  collector: Collector,
  region: string,
  stack: Fact<Stack | undefined>,
  histories: Histories,
): Promise<void> {
  if ('unread' in stack) return histories.leaveOut(region, stack.unread)
  if (!stack.is) return
  const { RotationTableName: table } = stack.is.outputs
  if (!table) return histories.leaveOut(region, 'the stack is older than the table of rotations')
  await histories.read(collector, region, table)
}

/** Asks for all that the lists do not tell of the secrets, of their functions, and of parameters. */
export async function lookAt(collector: Collector, { secrets, parameters, facts }: Gathered): Promise<void> {
  const primaries = [...secrets.values()].filter(secret => callsAbout(secret).length)
  await all(primaries, AT_ONCE, async secret => {
    if (!(await lookAtSecret(collector, secret))) secrets.delete(secret.arn)
  })
  const sharable = [...parameters.values()].filter(isSharable)
  await all(sharable, AT_ONCE, parameter => lookAtParameter(collector, parameter))
  await all(functionsOf(secrets), AT_ONCE, async arn => {
    facts.functions[arn] = await functionOf(collector, arn)
  })
  facts.functions = Object.fromEntries(Object.entries(facts.functions).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** ARNs of the functions that secrets name as their rotation function. */
export const functionsOf = (secrets: Gathered['secrets']): string[] =>
  [...new Set([...secrets.values()].flatMap(({ rotation }) => rotation.functionArn ?? []))].sort()

/** All that a Region has of the fleet. */
export const credentialsOf = ({ secrets, parameters }: Gathered): CredentialFacts[] => [
  ...secrets.values(),
  ...parameters.values(),
]

/** Puts what the tables know into each credential. */
export function takeHistories(gathered: Gathered, histories: Histories): void {
  for (const credential of credentialsOf(gathered))
    credential.history = histories.of(gathered.region, credential.store, credential.arn, credential.name)
}

/** Gives each replica what only its primary is asked for. */
export function followPrimaries(regions: Gathered[]): void {
  const byName = new Map(regions.map(gathered => [gathered.region, gathered]))
  for (const { secrets } of regions)
    for (const secret of secrets.values()) {
      const { primaryRegion: home } = secret
      if (home) followPrimary(secret, byName.get(home)?.secrets.get(inRegion(secret.arn, home)))
    }
}

/** Regions that a primary has a replica in, and that are none of these. */
export function replicaRegions(regions: Gathered[]): string[] {
  const known = new Set(regions.map(({ region }) => region))
  const named = regions.flatMap(({ secrets }) =>
    [...secrets.values()].flatMap(({ replicas }) =>
      'is' in replicas ? replicas.is.map(({ region }) => region) : [],
    ),
  )
  return [...new Set(named)].filter(region => region && !known.has(region)).sort()
}
