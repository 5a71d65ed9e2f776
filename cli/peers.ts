import { whyFailed } from './awsErrors.ts'
import type { Context } from './context.ts'
import { mapInBatches } from './mapInBatches.ts'
import { findPeerStack, peerRegionsOf, type Stack } from './stack.ts'

/** A setting that differs between this stack and its peer; null if a stack's output Settings does not have the setting. */
export type SettingDifference = { name: string; here: string | null; there: string | null }

/**
 * The stack of the same stage in another Region. `unseen`: the Region could not be asked, `why` says why; `missing`: the Region
 * has no such stack; `there`: it has one.
 */
export type Peer = { region: string } & (
  | { state: 'unseen'; why: string }
  | { state: 'missing' }
  | { state: 'there'; name: string; version: string; differences: SettingDifference[] }
)

/** Looks up the stacks of the same stage in the peer Regions of a stack. */
export const findPeers = (context: Context, stack: Stack): Promise<Peer[]> =>
  mapInBatches(peerRegionsOf(stack) ?? [], region => findPeer(context, stack, region))

async function findPeer(context: Context, stack: Stack, region: string): Promise<Peer> {
  try {
    const peer = await findPeerStack(context, stack, region)
    if (!peer) return { region, state: 'missing' }
    const { name, version } = peer
    return { region, state: 'there', name, version, differences: differencesOf(stack, peer) }
  } catch (error) {
    return { region, state: 'unseen', why: whyFailed(error) }
  }
}

/** The settings that differ. None if a stack is so old that it has no output Settings: then its version is reported anyway. */
function differencesOf(stack: Stack, peer: Stack): SettingDifference[] {
  const [here, there] = [settingsOf(stack), settingsOf(peer)]
  if (!here || !there) return []
  const names = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort()
  return names
    .map(name => ({ name, here: textOf(here[name]), there: textOf(there[name]) }))
    .filter(each => each.here !== each.there)
}

const textOf = (value: unknown): string | null =>
  value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value)

/** The parameters that the stacks of a stage should have in common, from the stack's output Settings. */
function settingsOf({ outputs }: Stack): Record<string, unknown> | undefined {
  try {
    const settings = JSON.parse(outputs.Settings ?? '')
    return typeof settings === 'object' && settings !== null ? settings : undefined
  } catch {
    return undefined
  }
}
