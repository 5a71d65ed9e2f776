import type { Call } from '../../../local/aws/secretsManager.ts'
import type { ComparisonInputs } from '../compare.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import { type Pairs, takeInTurns } from '../takeInTurns.ts'
import type { ReadPasswordChangeTime } from './passwordChanges.ts'
import {
  keyturnProcesses,
  officialProcesses,
  type RotationCost,
  rowTitleOf,
  type SideProcesses,
} from './sideProcesses.ts'

/**
 * A rotation of a single user. `outageMs` is how long the current value did not log in: from when the change of the password took
 * effect until Secrets Manager had answered the call that moved AWSCURRENT.
 */
export type Outage = RotationCost & { outageMs: number }

/** The rotations of both sides on one database, in warm and in cold processes. */
export type Outages = { engine: Engine; database: string; warm: Pairs<Outage>; cold: Pairs<Outage> }

/** Rotates by each side in turns, in processes that have rotated before, and then each time in new processes. */
export async function measureOutages(
  scene: Scene,
  inputs: ComparisonInputs,
  readChangeTime: ReadPasswordChangeTime,
  pairs: number,
): Promise<Outages> {
  const start = { official: officialProcesses(scene, inputs), keyturn: keyturnProcesses(scene, inputs) }
  const secrets = { official: await scene.enrol(false), keyturn: await scene.enrol(false) }
  const measure = (processes: SideProcesses, side: keyof typeof start) =>
    measureOutage(scene, readChangeTime, processes, secrets[side])
  const measureCold = async (side: keyof typeof start) => {
    await using processes = await start[side]()
    return await measure(processes, side)
  }
  await using official = await start.official()
  await using keyturn = await start.keyturn()
  return {
    engine: scene.engine,
    database: rowTitleOf(scene),
    // The first pair, which takeInTurns leaves out, loads the functions.
    warm: await takeInTurns(pairs, {
      official: () => measure(official, 'official'),
      keyturn: () => measure(keyturn, 'keyturn'),
    }),
    cold: await takeInTurns(pairs, {
      official: () => measureCold('official'),
      keyturn: () => measureCold('keyturn'),
    }),
  }
}

/** Rotates once. @throws Error if AWSCURRENT or the password did not change exactly once */
export async function measureOutage(
  scene: Scene,
  readChangeTime: ReadPasswordChangeTime,
  processes: SideProcesses,
  secret: string,
): Promise<Outage> {
  const moves: Call[] = []
  scene.secretsManager.refuse(call => {
    if (call.action === 'UpdateSecretVersionStage' && call.stage === 'AWSCURRENT') moves.push(call)
    return undefined
  })
  const cost = await processes.rotate(secret)
  scene.secretsManager.refuse()
  const [move] = moves
  if (!move?.ended || move.error || moves.length > 1)
    throw new Error(`AWSCURRENT was moved by ${moves.length} calls, not by one`)
  const { username } = JSON.parse((await scene.valueStore.read(secret, 'current')) ?? '{}')
  return { ...cost, outageMs: move.ended - (await readChangeTime(username)) }
}
