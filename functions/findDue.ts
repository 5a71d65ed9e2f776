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
  planDue,
  type ServerGroup,
  splitByServer,
  storeAndIdOf,
} from '../fleet/duePlan.ts'
import { Inventory, type ScheduledCredential } from '../fleet/inventory.ts'
import { isDailyReplicaCheck, LaggingReplicas, type ReplicaLag } from '../fleet/laggingReplicas.ts'
import { type NameList, toNameList } from '../fleet/nameList.ts'
import { findOutdatedScheduleTags, writeScheduleTags } from '../fleet/promotion/scheduleTags.ts'
import { findRecentRotations } from '../fleet/recentRotations.ts'
import { type LastExecution, ServerLocks, serverIdOf } from '../fleet/serverLocks.ts'
import { findTargets, matchAdmins } from '../fleet/targets.ts'
import { topAdminOf, withoutAdminCycles } from '../fleet/turns.ts'
import { callAws } from '../rotation/callAws.ts'
import { SecretsManager } from '../rotation/stores/secretsManager.ts'
import { type AnnouncedList, MAX_TEXT_LENGTH, toAnnouncedLists } from './shared/dueAnnouncements.ts'
import { parseFindDueEnvironment } from './shared/environment.ts'
import { parseFindDueEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
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
  askRegionFor,
  peers: peerRegions,
}
const inventory = new Inventory({ ssm, secrets, tagging }, environment.rotationFunction)

/**
 * The most rotations of one run, and the most bytes of its groups as JSON. A state holds 256 KiB:
 * https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. What does not fit waits for the next run.
 */
const RUN_LIMITS = { rotations: 500, bytes: 100_000 }
/** Milliseconds that a run spends on looking at replicas: half of the function's time. */
const REPLICA_LOOK_MS = 150_000

/**
 * The rotations that are due on one database server. `server.id` stands for the server in the names of executions of rotate-server.
 * `last` is the number of the server's last execution, and `outage` the group whose report has announced that the server does not
 * answer.
 */
type Group = ServerGroup & { server: { id: string; last: number; outage?: string } }
/** What one run is to do: the output of findDue and the state of the run. */
export type RunPlan = {
  /** The rotations that this run starts, one group for each database server. */
  groups: Group[]
  /** How many groups there are. */
  hosts: number
  /** How many rotations there are in all groups. */
  planned: number
  /** How many rotations are due as well, and wait for a later run: this one has no room, or another run is on their server. */
  postponed: number
  /** How many groups, and how many rotations of one group, may go on at the same time, in all runs together. */
  caps: { hosts: number; perHost: number }
  /**
   * The credentials that should have rotated long ago, or never will because of their tags. `parts` has the lists that are
   * announced one by one. There are three kinds:
   *
   * - without a flag: the late credentials;
   * - with `behind`: credentials with a replica that does not follow, late or not, each with the reason;
   * - with `behind` and `promoted`: secrets that are also a secret of their own in another Region. They do not count as late.
   */
  late: NameList & { parts?: AnnouncedList[] }
  /** The credentials that have the tag keyturn:every, but that this run must not rotate, each with the reason. */
  skipped: NameList
  /**
   * The name of an earlier run that still goes on, if its definition or this run's is of a release whose runs do not overlap. Both
   * runs together would exceed the caps, so this run rotates nothing.
   */
  waitsFor?: string
}

/** The name of the run, the time of its start, and the means to look at replicas. */
type RunContext = { run: string; now: Date; replicas: LaggingReplicas }

/**
 * Finds the credentials that are due, and groups them by database server. The function reads the values of these credentials to
 * find their servers, and returns no value.
 */
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
    const [credentials, tried, lastExecutions, waitsFor] = await Promise.all([
      inventory.listScheduled(),
      findRecentRotations(stepFunctions, environment.rotationStateMachineArn),
      servers.findLastExecutions(),
      findEarlierRun(run, overlaps),
    ])
    const { due, late: allLate, skipped } = planDue(credentials, tried, { run, now, interval: intervalMs })
    const running = [...lastExecutions].filter(([id, { isRunning }]) => isRunning && !id.startsWith('slot-'))
    const startsNothing = waitsFor || (overlaps && running.length >= caps.hosts)
    const context: RunContext = { run, now, replicas }

    const { chosen, behind, hostOf, admins } = await placeByServer(
      startsNothing ? [] : due,
      lastExecutions,
      context,
    )
    const lags = new Map([...behind, ...(await findLagsOfLate(allLate, credentials, behind, context))])
    const dailyLags = isDailyReplicaCheck(now, intervalMs)
      ? await findLagging(context)
      : new Map<ScheduledCredential, ReplicaLag>()
    const promoted = reasonsOf([...lags, ...dailyLags].filter(([, { promoted }]) => promoted))
    const promotedNames = new Set(promoted.map(nameIn))
    const late = allLate.filter(name => !promotedNames.has(name))
    measure('LateCredentials', late.length, MetricUnit.Count)
    const notPromoted = [...dailyLags].filter(([, { promoted }]) => !promoted)
    const parts = toAnnouncedLists({ late, behind: reasonsOf(notPromoted), promoted })

    const planned = groupByServer(chosen, { run, hostOf, admins, bytes: RUN_LIMITS.bytes })
    const count = planned.reduce((sum, { rotations }) => sum + rotations.length, 0)
    const groups: Group[] = []
    for (const group of planned) groups.push({ ...group, server: await serverOf(group.host, lastExecutions) })

    if (environment.tagSchedules && !waitsFor) await keepScheduleTags(credentials, due, run)
    return {
      groups,
      hosts: groups.length,
      planned: count,
      postponed: due.length - count - behind.size,
      caps,
      late: { ...toNameList(late, MAX_TEXT_LENGTH), ...(parts.length && { parts }) },
      // The credentials that a person has to mend come first.
      skipped: toNameList([...reasonsOf([...behind]), ...skipped], MAX_TEXT_LENGTH),
      ...(waitsFor && { waitsFor }),
    }
  },
)

/**
 * Writes the schedule of Secrets Manager into a tag of each secret whose home is this Region. A replica has no schedule, but has
 * the tags of its secret: https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html. A tag that cannot
 * be written is only logged.
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
 * All secrets whose home is this Region and that have a replica which does not follow, each with the reason, whether they are due
 * or not. Each run looks at the secrets in another order, because the time may not suffice for all of them: otherwise the same
 * secrets would be left out every day.
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
 * The lags of the late credentials, without those in `known`, so that a secret which was promoted in another Region is not told as
 * late. They are not known yet if this run starts nothing, or if Secrets Manager's own schedule rotates the secret. A stack without
 * peer Regions has none.
 */
async function findLagsOfLate(
  late: string[],
  credentials: ScheduledCredential[],
  known: Map<ScheduledCredential, ReplicaLag>,
  { now, replicas }: RunContext,
): Promise<Map<ScheduledCredential, ReplicaLag>> {
  const names = new Set(peerRegions.length ? late : [])
  const some = credentials.filter(one => names.has(storeAndIdOf(one)) && !known.has(one))
  return replicas.find(some, now)
}

/** Sorted texts of the form `NAME: REASON`, one for each credential, with the first of its reasons. */
function reasonsOf(lags: [ScheduledCredential, ReplicaLag][]): string[] {
  const reasons = new Map(lags.toReversed().map(([one, { reason }]) => [storeAndIdOf(one), reason]))
  return [...reasons].map(([name, reason]) => `${name}: ${reason}`).sort()
}

/** The name in a text of the form `NAME: REASON`. */
const nameIn = (text: string) => text.split(': ')[0] ?? ''

/**
 * Finds on which server each due credential rotates, and picks as many as a run has room for. Of a server that did not answer
 * last time, one rotation is picked, which shows whether the server answers again, and the others only if room is left. Credentials
 * whose server another run rotates on are left out, and so are those in `behind`: one of their replicas does not follow, so
 * their rotation would be refused.
 */
async function placeByServer(
  due: DueRotation[],
  last: Map<string, LastExecution>,
  { run, now, replicas }: RunContext,
) {
  const ordered = orderForLookup(due, RUN_LIMITS.rotations, run)
  const behind = new Map<ScheduledCredential, ReplicaLag>()
  const targets: Awaited<ReturnType<typeof findTargets>> = new Map()
  for (let start = 0; ; ) {
    const admins = withoutAdminCycles(matchAdmins(targets))
    // A credential waits for the rotation of its admin, so both have to be in the group of the admin's server.
    const hostOf = (credential: ScheduledCredential) =>
      targets.get(topAdminOf(credential, admins))?.address ?? ''
    const mayBegin = ordered.slice(0, start).filter(({ credential }) => !behind.has(credential))
    const { open, parked } = splitByServer(mayBegin, ({ credential }) => {
      const id = serverIdOf(hostOf(credential))
      const { isRunning = false, isServerDown = false } = last.get(id) ?? {}
      return { id, isTaken: isRunning, isDown: isServerDown }
    })
    if (start >= ordered.length || open.length >= RUN_LIMITS.rotations)
      return {
        chosen: [...open, ...parked].slice(0, RUN_LIMITS.rotations),
        behind,
        hostOf,
        admins,
      }
    const next = ordered.slice(start, start + RUN_LIMITS.rotations).map(({ credential }) => credential)
    for (const [credential, lag] of await replicas.find(next, now))
      if (lag.blocksRotation) behind.set(credential, lag)
    const ready = next.filter(credential => !behind.has(credential))
    for (const found of await findTargets(ready, { ssm, secrets })) targets.set(...found)
    start += next.length
  }
}

/** What rotateServer needs to know of a database server. */
async function serverOf(host: string, lastExecutions: Map<string, LastExecution>): Promise<Group['server']> {
  const id = serverIdOf(host)
  const { number = 0, isServerDown } = lastExecutions.get(id) ?? {}
  const outage = isServerDown ? await servers.outageOf(`${id}-${number}`) : undefined
  return { id, last: number, ...(outage && { outage }) }
}

/**
 * The name of the oldest run that still goes on, if this run must not start anything beside it. Runs whose definition says
 * `overlaps` share the caps, so they may overlap. A run with an older definition does not know of others, and both together would
 * exceed the caps.
 */
async function findEarlierRun(run: string, overlaps: boolean): Promise<string | undefined> {
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
