import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import {
  DescribeStateMachineForExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn'
import { SSMClient } from '@aws-sdk/client-ssm'
import { shuffledByRun } from '../fleet/digest.ts'
import {
  type DueRotation,
  groupByServer,
  orderForLookup,
  type ServerGroup as Planned,
  planDue,
  splitByServer,
  storeAndIdOf,
} from '../fleet/duePlan.ts'
import { Inventory, type ScheduledCredential } from '../fleet/inventory.ts'
import { isDailyReplicaCheck, LaggingReplicas, type ReplicaLag } from '../fleet/laggingReplicas.ts'
import { MAX_NAME_COUNT, type NameList, toNameList } from '../fleet/nameList.ts'
import { findOutdatedScheduleTags, writeScheduleTags } from '../fleet/promotion/scheduleTags.ts'
import { findRecentRotations } from '../fleet/recentRotations.ts'
import { type LastExecution, ServerLocks, serverIdOf } from '../fleet/serverLocks.ts'
import { findTargets, matchAdmins } from '../fleet/targets.ts'
import { topAdminOf, withoutAdminCycles } from '../fleet/turns.ts'
import { callAws } from '../rotation/callAws.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import { parseFindDueEnvironment } from './shared/environment.ts'
import { parseFindDueEvent } from './shared/event.ts'
import { functionHandler, logger } from './shared/handler.ts'
import { measure } from './shared/metrics.ts'
import { askRegionFor, peerRegions } from './shared/peers.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const environment = parseFindDueEnvironment(process.env)
const ssm = new SSMClient({ requestHandler: REQUEST_TIMEOUTS })
const secrets = new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS })
const tagging = new ResourceGroupsTaggingAPIClient({ requestHandler: REQUEST_TIMEOUTS })
const stepFunctions = new SFNClient({ requestHandler: REQUEST_TIMEOUTS })
const servers = new ServerLocks(environment.serverStateMachineArn, { requestHandler: REQUEST_TIMEOUTS })
const store = new SecretsManager(secrets)
const regions = {
  describe: (id: string) => store.describe(id),
  askRegionFor: askRegionFor,
  peers: peerRegions,
}
const inventory = new Inventory({ ssm, secrets, tagging }, environment.rotationFunction)

/** Rotations in one run, and bytes that their names may take: a state holds 256 KiB. The next run begins soon. */
const RUN_LIMITS = { rotations: 500, bytes: 100_000 }
/** Characters of a text in a list. */
const MAX_TEXT_LENGTH = 200
/** Lists of so many texts in which what is late is announced, what has replicas behind, and what was promoted elsewhere; and the bytes of all of each. */
const ANNOUNCEMENT_LIMITS = { lists: 10, lateBytes: 50_000, behindBytes: 20_000, promotedBytes: 20_000 }
/** Milliseconds of a run in which replicas are looked at: half of what the function has. */
const REPLICA_LOOK_MS = 150_000

/** `server` is which one that is, the number of its last execution, and by which group it was told that it does not answer. */
type Group = Planned & { server: { id: string; last: number; outage?: string } }
/** What one run is to do. */
export type RunPlan = {
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
  late: NameList & { parts?: (NameList & { behind?: true; promoted?: true })[] }
  /** Have the tag, but are not for this run to rotate. */
  skipped: NameList
  /** An earlier run of the last release that still goes on. Both together would exceed the caps, so this one does nothing. */
  waitsFor?: string
}

/** Finds what is due, and parts it by database server. Values are read for that, and none leaves it. */
export const handler = functionHandler(
  'findDue',
  parseFindDueEvent,
  ({ run }) => ({ run }),
  async ({ run, overlaps = false }): Promise<RunPlan> => {
    const { intervalMs, maxRotations, maxRotationsPerHost } = environment
    const caps = {
      hosts: Math.max(1, Math.floor(maxRotations / maxRotationsPerHost)),
      perHost: Math.min(maxRotations, maxRotationsPerHost),
    }
    const now = new Date()
    const replicas = new LaggingReplicas(regions, performance.now() + REPLICA_LOOK_MS)
    const [credentials, tried, last, waitsFor] = await Promise.all([
      inventory.listScheduled(),
      findRecentRotations(stepFunctions, environment.rotationStateMachineArn),
      servers.findLastExecutions(),
      earlierRunThan(run, overlaps),
    ])
    const { due, late: tooLate, skipped } = planDue(credentials, tried, { run, now, interval: intervalMs })
    const running = [...last].filter(([id, { isRunning }]) => isRunning && !id.startsWith('slot-'))
    const idle = waitsFor || (overlaps && running.length >= caps.hosts)
    const placing = { run, now, replicas }
    const { first, behind, hostOf, admins } = await placeByServer(idle ? [] : due, last, placing)
    const lags = new Map([...behind, ...(await findLagsOfLate(tooLate, credentials, behind, placing))])
    const laggard = isDailyReplicaCheck(now, intervalMs)
      ? await findLagging(placing)
      : new Map<ScheduledCredential, ReplicaLag>()
    const promoted = reasonsOf([...lags, ...laggard].filter(([, { promoted }]) => promoted))
    const isPromoted = new Set(promoted.map(nameIn))
    const late = tooLate.filter(name => !isPromoted.has(name))
    measure('LateCredentials', late.length, MetricUnit.Count)
    const planned = groupByServer(first, { run, hostOf, admins, bytes: RUN_LIMITS.bytes })
    const count = planned.reduce((sum, { rotations }) => sum + rotations.length, 0)
    const groups: Group[] = []
    for (const group of planned) groups.push({ ...group, server: await serverOf(group.host, last) })
    const others = [...laggard].filter(([, { promoted }]) => !promoted)
    const parts = announcementParts({ late, behind: reasonsOf(others), promoted })
    if (environment.tagSchedules && !waitsFor) await keepScheduleTags(credentials, due, run)
    return {
      groups,
      hosts: groups.length,
      planned: count,
      postponed: due.length - count - behind.size,
      caps,
      late: { ...toNameList(late, MAX_TEXT_LENGTH), ...(parts.length && { parts }) },
      // What a person has to mend comes first.
      skipped: toNameList([...reasonsOf([...behind]), ...skipped], MAX_TEXT_LENGTH),
      ...(waitsFor && { waitsFor }),
    }
  },
)

/**
 * Keeps in a tag by which schedule Secrets Manager rotates what is at home here, as replicas have no schedule. It stops no
 * rotation.
 */
async function keepScheduleTags(all: ScheduledCredential[], due: DueRotation[], run: string): Promise<void> {
  const region = await secrets.config.region()
  const chosen = findOutdatedScheduleTags(all, {
    region,
    run,
    due: new Set(due.map(({ credential }) => credential)),
  })
  await writeScheduleTags(secrets, chosen, ({ id }, error) => {
    const { name, message } = error as Error
    logger.warn('its schedule was not written into its tag', { id, error: name, reason: message })
  })
}

/**
 * The secrets at home here of which a replica does not follow, each with the reason, due or not. They come by lot, other ones
 * first in each run: else those that there is no time for would be the same every day.
 */
async function findLagging({
  run,
  now,
  replicas,
}: RunContext): Promise<Map<ScheduledCredential, ReplicaLag>> {
  return replicas.find(
    shuffledByRun(await inventory.listAtHome(), run, ({ id }) => id),
    now,
  )
}

/**
 * How the replicas of what is late stand, but for those that were `looked` at: what was promoted elsewhere is told as that, also by
 * a run that begins nothing, and where Secrets Manager's own schedule is late. Without peers nothing can be.
 */
async function findLagsOfLate(
  late: string[],
  credentials: ScheduledCredential[],
  looked: Map<ScheduledCredential, ReplicaLag>,
  { now, replicas }: RunContext,
): Promise<Map<ScheduledCredential, ReplicaLag>> {
  const names = new Set(peerRegions.length ? late : [])
  const some = credentials.filter(one => names.has(storeAndIdOf(one)) && !looked.has(one))
  return replicas.find(some, now)
}

/** Each once, with the first reason that it has. */
function reasonsOf(lags: [ScheduledCredential, ReplicaLag][]): string[] {
  const reasons = new Map(lags.toReversed().map(([one, { reason }]) => [storeAndIdOf(one), reason]))
  return [...reasons].map(([name, reason]) => `${name}: ${reason}`).sort()
}

/** The name in front of such a reason. */
const nameIn = (text: string) => text.split(': ')[0] ?? ''

/** Which run looks, when, and by what it tells how replicas stand. */
type RunContext = { run: string; now: Date; replicas: LaggingReplicas }

/**
 * What is due, by where it rotates: as much as a run has room for, if no other run has its server. What has a replica
 * `behind` takes no place: its rotation would be refused.
 */
async function placeByServer(
  due: DueRotation[],
  last: Map<string, LastExecution>,
  { run, now, replicas }: RunContext,
) {
  const looked = orderForLookup(due, RUN_LIMITS.rotations, run)
  const behind = new Map<ScheduledCredential, ReplicaLag>()
  const targets: Awaited<ReturnType<typeof findTargets>> = new Map()
  for (let start = 0; ; ) {
    const admins = withoutAdminCycles(matchAdmins(targets))
    // Who needs an admin waits for it, so both are in one group.
    const hostOf = (credential: ScheduledCredential) =>
      targets.get(topAdminOf(credential, admins))?.address ?? ''
    const mayBegin = looked.slice(0, start).filter(({ credential }) => !behind.has(credential))
    const { open, parked } = splitByServer(mayBegin, ({ credential }) => {
      const id = serverIdOf(hostOf(credential))
      const { isRunning = false, isServerDown = false } = last.get(id) ?? {}
      return { id, taken: isRunning, down: isServerDown }
    })
    if (start >= looked.length || open.length >= RUN_LIMITS.rotations)
      return {
        first: [...open, ...parked].slice(0, RUN_LIMITS.rotations),
        behind,
        hostOf,
        admins,
      }
    const next = looked.slice(start, start + RUN_LIMITS.rotations).map(({ credential }) => credential)
    for (const [credential, lag] of await replicas.find(next, now))
      if (lag.blocksRotation) behind.set(credential, lag)
    const ready = next.filter(credential => !behind.has(credential))
    for (const found of await findTargets(ready, { ssm, secrets })) targets.set(...found)
    start += next.length
  }
}

/** What rotateServer needs to know of a server. */
async function serverOf(host: string, all: Map<string, LastExecution>): Promise<Group['server']> {
  const id = serverIdOf(host)
  const { number = 0, isServerDown } = all.get(id) ?? {}
  const outage = isServerDown ? await servers.outageOf(`${id}-${number}`) : undefined
  return { id, last: number, ...(outage && { outage }) }
}

/** What is late, what has replicas behind, and what was promoted elsewhere, as lists that are announced one by one. */
function announcementParts(
  texts: Record<'late' | 'behind' | 'promoted', string[]>,
): NonNullable<RunPlan['late']['parts']> {
  const apart = partsOf(texts.behind, ANNOUNCEMENT_LIMITS.behindBytes).map(
    part => ({ ...part, behind: true }) as const,
  )
  const promoted = partsOf(texts.promoted, ANNOUNCEMENT_LIMITS.promotedBytes).map(
    part => ({ ...part, behind: true, promoted: true }) as const,
  )
  return [...partsOf(texts.late, ANNOUNCEMENT_LIMITS.lateBytes), ...apart, ...promoted]
}

/** All of them in lists of fifty, as far as a state can hold them; the last list counts the rest. */
function partsOf(texts: string[], bytes: number): NameList[] {
  let room = bytes
  const named = texts
    .slice(0, ANNOUNCEMENT_LIMITS.lists * MAX_NAME_COUNT)
    .map(text => text.slice(0, MAX_TEXT_LENGTH))
    .filter(text => {
      room -= Buffer.byteLength(text) + 3
      return room > 0
    })
  const lists = Array.from({ length: Math.ceil(named.length / MAX_NAME_COUNT) }, (_, n) =>
    named.slice(n * MAX_NAME_COUNT, (n + 1) * MAX_NAME_COUNT),
  )
  const rest = texts.length - named.length
  return lists.map((names, n) => ({ count: names.length + (n === lists.length - 1 ? rest : 0), names }))
}

/**
 * The name of the first run that still goes on, if this one has to give way to it: where one of them does not know of
 * others, as the last release's, both together would exceed the caps.
 */
async function earlierRunThan(run: string, overlaps: boolean): Promise<string | undefined> {
  const query = { stateMachineArn: environment.runStateMachineArn, statusFilter: 'RUNNING' } as const
  const list = new ListExecutionsCommand(query)
  const { executions = [] } = await callAws('Step Functions', () => stepFunctions.send(list))
  const [oldest] = executions.toSorted(
    (a, b) => Number(a.startDate) - Number(b.startDate) || (`${a.name}` < `${b.name}` ? -1 : 1),
  )
  if (!oldest || oldest.name === run) return undefined
  if (!overlaps) return oldest.name
  const { executionArn } = oldest
  const describe = new DescribeStateMachineForExecutionCommand({ executionArn })
  const { definition = '' } = await callAws('Step Functions', () => stepFunctions.send(describe))
  return definition.includes('"overlaps"') ? undefined : oldest.name
}
