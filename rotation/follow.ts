import { ReplicasBehind, RotationError } from './errors.ts'
import type { Rotation } from './pipeline.ts'
import { awaited, type Replica, saysOf } from './replicas.ts'
import type { Description } from './stores/store.ts'

/** Asks a Region for its copy of a secret; undefined if there is none. Throws where it cannot be asked. */
export type AskRegion = (region: string) => Promise<Description | undefined>

/**
 * `empty` are the Regions that have no such secret, which blocks nothing. `unproven` are those that may not be asked: of
 * them the own Region says that they are in sync. `superseded`: a later version is current, and waits for itself.
 */
export type Followed =
  | { outcome: 'replicated'; regions: string[]; empty: string[]; unproven: string[] }
  | { outcome: 'superseded' }

/**
 * Sees that every replica has the version that this rotation promoted: not by what the service says of replicas, which names
 * no version, but by asking each Region that the deployment names as a peer. No value is read.
 * @throws ReplicasBehind if one has another version, or cannot be asked
 */
export async function follow(
  primary: Description,
  { token }: Pick<Rotation, 'token'>,
  peers: string[],
  ask: AskRegion,
): Promise<Followed> {
  if (primary.current !== token) return { outcome: 'superseded' }
  const looked = await Promise.all(
    awaited(primary).map(async replica => ({ replica, found: await lookAt(replica, token, peers, ask) })),
  )
  const behind = looked.flatMap(({ found }) => (found.state === 'behind' ? [found.why] : []))
  if (behind.length) throw new ReplicasBehind(behind.join('; '))
  const inState = (state: Look['state']) =>
    looked.flatMap(({ replica, found }) => (found.state === state ? [replica.region] : []))
  return {
    outcome: 'replicated',
    regions: inState('follows'),
    empty: inState('empty'),
    unproven: inState('unproven'),
  }
}

/** How one replica stands. */
type Look = { state: 'follows' | 'empty' | 'unproven' } | { state: 'behind'; why: string }

async function lookAt(replica: Replica, token: string, peers: string[], ask: AskRegion): Promise<Look> {
  const { region, status } = replica
  const behind = (why: string) => ({ state: 'behind', why }) as const
  if (!peers.includes(region)) return status === 'InSync' ? { state: 'unproven' } : behind(saysOf(replica))
  try {
    const found = await ask(region)
    if (!found) return { state: 'empty' }
    if (found.current === token) return { state: 'follows' }
    return behind(`${saysOf(replica)}, and has version ${found.current ?? 'none'}`)
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    return behind(`${region} cannot be asked: ${error.message}`)
  }
}
