import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import {
  DescribeStateMachineForExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn'
import { SSMClient } from '@aws-sdk/client-ssm'
import { byLot } from '../fleet/digest.ts'
import { Inventory, type Scheduled } from '../fleet/inventory.ts'
import { type Lag, looksAtAll, Replicas } from '../fleet/lagging.ts'
import { NAMED, type Names, readable } from '../fleet/names.ts'
import {
  byServer,
  type Due,
  groupsOf,
  inTurn,
  type Group as Planned,
  storeAndId,
  toLookAt,
} from '../fleet/plan.ts'
import { tellSchedules, untold } from '../fleet/promotion/scheduleTags.ts'
import { type Last, Servers, serverId } from '../fleet/servers.ts'
import { adminsAmong, targetsOf } from '../fleet/targets.ts'
import { triedOf } from '../fleet/tried.ts'
import { topOf, withoutCircles } from '../fleet/turns.ts'
import { ask } from '../rotation/ask.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import { parseDueEnvironment } from './shared/environment.ts'
import { runEvent } from './shared/event.ts'
import { functionHandler, logger } from './shared/handler.ts'
import { measure } from './shared/metrics.ts'
import { askingFor, peers } from './shared/peers.ts'
import { requestHandler } from './shared/requestHandler.ts'

const environment = parseDueEnvironment(process.env)
const ssm = new SSMClient({ requestHandler })
const secrets = new SecretsManagerClient({ requestHandler })
const tagging = new ResourceGroupsTaggingAPIClient({ requestHandler })
const stepFunctions = new SFNClient({ requestHandler })
const servers = new Servers(environment.servers, { requestHandler })
const store = new SecretsManager(secrets)
const regions = {
  describe: (id: string) => store.describe(id),
  asking: askingFor,
  peers,
}
const inventory = new Inventory({ ssm, secrets, tagging }, environment.rotationFunction)

/** Rotations in one run, and bytes that their names may take: a state holds 256 KiB. The next run begins soon. */
const LIMIT = { rotations: 500, bytes: 100_000 }
/** Characters of a text in a list. */
const LONGEST = 200
/** Lists of so many texts in which what is late is announced, what has replicas behind, and what was promoted elsewhere; and the bytes of all of each. */
const ANNOUNCED = { lists: 10, late: 50_000, behind: 20_000, promoted: 20_000 }
/** Milliseconds of a run in which replicas are looked at: half of what the function has. */
const LOOKING = 150_000

/** `server` is which one that is, the number of its last execution, and by which group it was told that it does not answer. */
type Group = Planned & { server: { id: string; last: number; outage?: string } }
/** What one run is to do. */
export type Run = {
  /** The rotations on one database server each. */
  groups: Group[]
  /** How many groups there are, and rotations in them. */
  hosts: number
  planned: number
  /** Due as well, and left to the next run. */
  postponed: number
  /** How many groups, and rotations of one group, may go on at once, over all runs. */
  caps: { hosts: number; perHost: number }
  /**
   * Should have rotated long ago, or never will as their tags are. `parts` are the lists that are announced; of those that
   * are `behind`, a replica does not follow, each with the reason, whether or not they are late. Of these, the `promoted` stand
   * alone in another Region, and are not late for that.
   */
  late: Names & { parts?: (Names & { behind?: true; promoted?: true })[] }
  /** Have the tag, but are not for this run to rotate. */
  skipped: Names
  /** An earlier run of the last release that still goes on. Both together would exceed the caps, so this one does nothing. */
  waitsFor?: string
}

/** Finds what is due, and parts it by database server. Values are read for that, and none leaves it. */
export const handler = functionHandler(
  'findDue',
  runEvent,
  ({ run }) => ({ run }),
  async ({ run, overlaps = false }): Promise<Run> => {
    const { interval, maxRotations, maxRotationsPerHost } = environment
    const caps = {
      hosts: Math.max(1, Math.floor(maxRotations / maxRotationsPerHost)),
      perHost: Math.min(maxRotations, maxRotationsPerHost),
    }
    const now = new Date()
    const replicas = new Replicas(regions, performance.now() + LOOKING)
    const [credentials, tried, last, waitsFor] = await Promise.all([
      inventory.scheduled(),
      triedOf(stepFunctions, environment.rotations),
      servers.last(),
      earlierThan(run, overlaps),
    ])
    const { due, late: tooLate, skipped } = inTurn(credentials, tried, { run, now, interval })
    const running = [...last].filter(([id, { running }]) => running && !id.startsWith('slot-'))
    const idle = waitsFor || (overlaps && running.length >= caps.hosts)
    const placing = { run, now, replicas }
    const { first, behind, hostOf, admins } = await placed(idle ? [] : due, last, placing)
    const lags = new Map([...behind, ...(await lagsOf(tooLate, credentials, behind, placing))])
    const laggard = looksAtAll(now, interval) ? await laggards(placing) : new Map<Scheduled, Lag>()
    const promoted = reasonsOf([...lags, ...laggard].filter(([, { promoted }]) => promoted))
    const isPromoted = new Set(promoted.map(nameIn))
    const late = tooLate.filter(name => !isPromoted.has(name))
    measure('LateCredentials', late.length, MetricUnit.Count)
    const planned = groupsOf(first, { run, hostOf, admins, bytes: LIMIT.bytes })
    const count = planned.reduce((sum, { rotations }) => sum + rotations.length, 0)
    const groups: Group[] = []
    for (const group of planned) groups.push({ ...group, server: await serverOf(group.host, last) })
    const others = [...laggard].filter(([, { promoted }]) => !promoted)
    const parts = announced({ late, behind: reasonsOf(others), promoted })
    if (environment.tagSchedules && !waitsFor) await keepSchedules(credentials, due, run)
    return {
      groups,
      hosts: groups.length,
      planned: count,
      postponed: due.length - count - behind.size,
      caps,
      late: { ...readable(late, LONGEST), ...(parts.length && { parts }) },
      // What a person has to mend comes first.
      skipped: readable([...reasonsOf([...behind]), ...skipped], LONGEST),
      ...(waitsFor && { waitsFor }),
    }
  },
)

/**
 * Keeps in a tag by which schedule Secrets Manager rotates what is at home here, as replicas have no schedule. It stops no
 * rotation.
 */
async function keepSchedules(all: Scheduled[], due: Due[], run: string): Promise<void> {
  const region = await secrets.config.region()
  const chosen = untold(all, { region, run, due: new Set(due.map(({ credential }) => credential)) })
  await tellSchedules(secrets, chosen, ({ id }, error) => {
    const { name, message } = error as Error
    logger.warn('its schedule was not written into its tag', { id, error: name, reason: message })
  })
}

/**
 * The secrets at home here of which a replica does not follow, each with the reason, due or not. They come by lot, other ones
 * first in each run: else those that there is no time for would be the same every day.
 */
async function laggards({ run, now, replicas }: Placing): Promise<Map<Scheduled, Lag>> {
  return replicas.lagging(
    byLot(await inventory.atHome(), run, ({ id }) => id),
    now,
  )
}

/**
 * How the replicas of what is late stand, but for those that were `looked` at: what was promoted elsewhere is told as that, also by
 * a run that begins nothing, and where Secrets Manager's own schedule is late. Without peers nothing can be.
 */
async function lagsOf(
  late: string[],
  credentials: Scheduled[],
  looked: Map<Scheduled, Lag>,
  { now, replicas }: Placing,
): Promise<Map<Scheduled, Lag>> {
  const names = new Set(peers.length ? late : [])
  const some = credentials.filter(one => names.has(storeAndId(one)) && !looked.has(one))
  return replicas.lagging(some, now)
}

/** Each once, with the first reason that it has. */
function reasonsOf(lags: [Scheduled, Lag][]): string[] {
  const reasons = new Map(lags.toReversed().map(([one, { reason }]) => [storeAndId(one), reason]))
  return [...reasons].map(([name, reason]) => `${name}: ${reason}`).sort()
}

/** The name in front of such a reason. */
const nameIn = (text: string) => text.split(': ')[0] ?? ''

/** Which run looks, when, and by what it tells how replicas stand. */
type Placing = { run: string; now: Date; replicas: Replicas }

/**
 * What is due, by where it rotates: as much as a run has room for, if no other run has its server. What has a replica
 * `behind` takes no place: its rotation would be refused.
 */
async function placed(due: Due[], last: Map<string, Last>, { run, now, replicas }: Placing) {
  const looked = toLookAt(due, LIMIT.rotations, run)
  const behind = new Map<Scheduled, Lag>()
  const targets: Awaited<ReturnType<typeof targetsOf>> = new Map()
  for (let start = 0; ; ) {
    const admins = withoutCircles(adminsAmong(targets))
    // Who needs an admin waits for it, so both are in one group.
    const hostOf = (credential: Scheduled) => targets.get(topOf(credential, admins))?.host ?? ''
    const mayBegin = looked.slice(0, start).filter(({ credential }) => !behind.has(credential))
    const { open, parked } = byServer(mayBegin, ({ credential }) => {
      const id = serverId(hostOf(credential))
      const { running = false, down = false } = last.get(id) ?? {}
      return { id, taken: running, down }
    })
    if (start >= looked.length || open.length >= LIMIT.rotations)
      return {
        first: [...open, ...parked].slice(0, LIMIT.rotations),
        behind,
        hostOf,
        admins,
      }
    const next = looked.slice(start, start + LIMIT.rotations).map(({ credential }) => credential)
    for (const [credential, lag] of await replicas.lagging(next, now))
      if (lag.blocks) behind.set(credential, lag)
    const ready = next.filter(credential => !behind.has(credential))
    for (const found of await targetsOf(ready, { ssm, secrets })) targets.set(...found)
    start += next.length
  }
}

/** What rotateServer needs to know of a server. */
async function serverOf(host: string, all: Map<string, Last>): Promise<Group['server']> {
  const id = serverId(host)
  const { number = 0, down } = all.get(id) ?? {}
  const outage = down ? await servers.outageOf(`${id}-${number}`) : undefined
  return { id, last: number, ...(outage && { outage }) }
}

/** What is late, what has replicas behind, and what was promoted elsewhere, as lists that are announced one by one. */
function announced(
  texts: Record<'late' | 'behind' | 'promoted', string[]>,
): NonNullable<Run['late']['parts']> {
  const apart = partsOf(texts.behind, ANNOUNCED.behind).map(part => ({ ...part, behind: true }) as const)
  const promoted = partsOf(texts.promoted, ANNOUNCED.promoted).map(
    part => ({ ...part, behind: true, promoted: true }) as const,
  )
  return [...partsOf(texts.late, ANNOUNCED.late), ...apart, ...promoted]
}

/** All of them in lists of fifty, as far as a state can hold them; the last list counts the rest. */
function partsOf(texts: string[], bytes: number): Names[] {
  let room = bytes
  const named = texts
    .slice(0, ANNOUNCED.lists * NAMED)
    .map(text => text.slice(0, LONGEST))
    .filter(text => {
      room -= Buffer.byteLength(text) + 3
      return room > 0
    })
  const lists = Array.from({ length: Math.ceil(named.length / NAMED) }, (_, n) =>
    named.slice(n * NAMED, (n + 1) * NAMED),
  )
  const rest = texts.length - named.length
  return lists.map((names, n) => ({ count: names.length + (n === lists.length - 1 ? rest : 0), names }))
}

/**
 * The name of the first run that still goes on, if this one has to give way to it: where one of them does not know of
 * others, as the last release's, both together would exceed the caps.
 */
async function earlierThan(run: string, overlaps: boolean): Promise<string | undefined> {
  const query = { stateMachineArn: environment.runs, statusFilter: 'RUNNING' } as const
  const list = new ListExecutionsCommand(query)
  const { executions = [] } = await ask('Step Functions', () => stepFunctions.send(list))
  const [oldest] = executions.toSorted(
    (a, b) => Number(a.startDate) - Number(b.startDate) || (`${a.name}` < `${b.name}` ? -1 : 1),
  )
  if (!oldest || oldest.name === run) return undefined
  if (!overlaps) return oldest.name
  const { executionArn } = oldest
  const describe = new DescribeStateMachineForExecutionCommand({ executionArn })
  const { definition = '' } = await ask('Step Functions', () => stepFunctions.send(describe))
  return definition.includes('"overlaps"') ? undefined : oldest.name
}
