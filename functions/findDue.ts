import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn'
import { SSMClient } from '@aws-sdk/client-ssm'
import { Inventory, type Scheduled } from '../fleet/inventory.ts'
import { inTurn } from '../fleet/plan.ts'
import { adminsAmong, targetsOf } from '../fleet/targets.ts'
import { triedOf } from '../fleet/tried.ts'
import { type Admins, topOf, turnsOf, withoutCircles } from '../fleet/turns.ts'
import { answered } from '../rotation/stores/awsErrors.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { parseDueEnvironment } from './shared/environment.ts'
import { runEvent } from './shared/event.ts'
import { functionHandler, measure } from './shared/handler.ts'
import { requestHandler } from './shared/requestHandler.ts'

const environment = parseDueEnvironment(process.env)
const ssm = new SSMClient({ requestHandler })
const secrets = new SecretsManagerClient({ requestHandler })
const tagging = new ResourceGroupsTaggingAPIClient({ requestHandler })
const stepFunctions = new SFNClient({ requestHandler })
const inventory = new Inventory({ ssm, secrets, tagging }, environment.rotationFunction)

/** Rotations in one run, and bytes that their names may take: a state holds 256 KiB. The next run begins soon. */
const LIMIT = { rotations: 500, bytes: 100_000 }
/** Texts in a list that is there to be read, and characters of one; the number beside it is of all. */
const NAMED = { texts: 50, characters: 200 }
/** Lists of so many texts in which what is late is announced, and the bytes of all together. */
const ANNOUNCED = { lists: 10, bytes: 60_000 }

/** One rotation to start; not after `until`, if there is such a time. */
type Rotation = { store: StoreName; id: string; token: string; until: string | null }
/**
 * `name` is this group's alone. `turns` are the same rotations where some have to end before others begin, as they are of
 * the others' admins; `rotations` is then in this order.
 */
type Group = { name: string; host: string; rotations: Rotation[]; turns?: Rotation[][] }
type Names = { count: number; names: string[] }
/** What one run is to do. */
export type Run = {
  /** The rotations on one database server each. */
  groups: Group[]
  /** How many groups there are, and rotations in them. */
  hosts: number
  planned: number
  /** Due as well, and left to the next run. */
  postponed: number
  /** How many groups, and rotations of one group, may go on at once. */
  caps: { hosts: number; perHost: number }
  /** Should have rotated long ago, or never will as their tags are. */
  late: Names & { parts?: Names[] }
  /** Have the tag, but are not for this run to rotate. */
  skipped: Names
  /** An earlier run that still goes on. Both together would exceed the caps, so this one does nothing. */
  waitsFor?: string
}

/** Finds what is due, and parts it by database server. Values are read for that, and none leaves it. */
export const handler = functionHandler(
  'findDue',
  runEvent,
  ({ run }) => ({ run }),
  async ({ run }): Promise<Run> => {
    const [credentials, tried, waitsFor] = await Promise.all([
      inventory.scheduled(),
      triedOf(stepFunctions, environment.rotations),
      earlierThan(run),
    ])
    const { interval } = environment
    const { due, late, skipped } = inTurn(credentials, tried, { run, now: new Date(), interval })
    measure('LateCredentials', late.length, MetricUnit.Count)
    const first = waitsFor ? [] : due.slice(0, LIMIT.rotations)
    const targets = await targetsOf(
      first.map(({ credential }) => credential),
      { ssm, secrets },
    )
    const admins = withoutCircles(adminsAmong(targets))
    // Who needs an admin waits for it, so both are in one group.
    const hostOf = (credential: Scheduled) => targets.get(topOf(credential, admins))?.host ?? ''
    const inTurns = new Set([...admins.keys()].map(hostOf))
    let room = LIMIT.bytes
    const planned = first.flatMap(({ credential, token, until }) => {
      const { store, id } = credential
      const rotation = { store, id, token, until: until?.toISOString() ?? null }
      const host = hostOf(credential)
      // As much again for what a host of its own would need, and for what is told twice.
      room -= (inTurns.has(host) ? 3 : 2) * JSON.stringify({ ...rotation, host }).length
      return room > 0 ? [{ host, credential, rotation }] : []
    })
    const groups = Map.groupBy(planned, ({ host }) => host)
    const { maxRotations, maxRotationsPerHost } = environment
    return {
      groups: [...groups].map(([host, members]) => groupOf(`${run} ${host}`, host, members, admins)),
      hosts: groups.size,
      planned: planned.length,
      postponed: due.length - planned.length,
      caps: {
        hosts: Math.max(1, Math.floor(maxRotations / maxRotationsPerHost)),
        perHost: Math.min(maxRotations, maxRotationsPerHost),
      },
      late: { ...readable(late), ...(late.length && { parts: partsOf(late) }) },
      skipped: readable(skipped),
      ...(waitsFor && { waitsFor }),
    }
  },
)

function groupOf(
  name: string,
  host: string,
  members: { credential: Scheduled; rotation: Rotation }[],
  admins: Admins<Scheduled>,
): Group {
  const rotations = new Map(members.map(({ credential, rotation }) => [credential, rotation]))
  const turns = turnsOf([...rotations.keys()], admins).map(turn =>
    turn.flatMap(credential => rotations.get(credential) ?? []),
  )
  return { name, host, rotations: turns.flat(), ...(turns.length > 1 && { turns }) }
}

function readable(texts: string[]): Names {
  const names = texts.slice(0, NAMED.texts).map(text => text.slice(0, NAMED.characters))
  return { count: texts.length, names }
}

/** All of them in lists of fifty, as far as a state can hold them; the last list counts the rest. */
function partsOf(texts: string[]): Names[] {
  let room = ANNOUNCED.bytes
  const named = texts
    .slice(0, ANNOUNCED.lists * NAMED.texts)
    .map(text => text.slice(0, NAMED.characters))
    .filter(text => {
      room -= Buffer.byteLength(text) + 3
      return room > 0
    })
  const lists = Array.from({ length: Math.ceil(named.length / NAMED.texts) }, (_, n) =>
    named.slice(n * NAMED.texts, (n + 1) * NAMED.texts),
  )
  const rest = texts.length - named.length
  return lists.map((names, n) => ({ count: names.length + (n === lists.length - 1 ? rest : 0), names }))
}

/** The name of a run that began before this one and still goes on. */
async function earlierThan(run: string): Promise<string | undefined> {
  const query = { stateMachineArn: environment.runs, statusFilter: 'RUNNING' } as const
  const answer = stepFunctions.send(new ListExecutionsCommand(query))
  const { executions = [] } = await answered('Step Functions', answer)
  const oldest = executions
    .toSorted((a, b) => Number(a.startDate) - Number(b.startDate) || (`${a.name}` < `${b.name}` ? -1 : 1))
    .at(0)?.name
  return oldest === run ? undefined : oldest
}
