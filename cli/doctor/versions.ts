import { type Check, okCheck } from '../../fleet/doctor/check.ts'
import type { Peer } from '../peers.ts'
import type { Stack } from '../stack.ts'
import { alignmentText } from '../version.ts'

/** Whether the command is of the stack's version. */
export function versionCheck(command: string, { name, version, stage }: Stack): Check {
  if (command === version) return okCheck('version', name)
  return {
    kind: 'version',
    about: name,
    state: 'warning',
    says: `is of version ${version}, and this command of ${command}`,
    remedy: `To make them the same, ${alignmentText(command, version, stage)}`,
  }
}

/** Whether a peer's stack is there, and as this one. */
export function peerCheck(peer: Peer, { version, stage }: Stack): Check {
  const { region: about, state } = peer
  const kind = 'peer'
  const remedy = `npx serverless deploy --stage ${stage} --param="region=${about}"`
  if (state === 'unseen') return { kind, about, state: 'unread', says: `could not be asked: ${peer.why}` }
  if (state === 'missing')
    return { kind, about, state: 'failed', says: `has no stack of the stage ${stage}`, remedy }
  if (peer.version !== version)
    return {
      kind,
      about,
      state: 'warning',
      says: `is of version ${peer.version || 'unknown'}, and this stack of ${version}`,
      remedy,
    }
  if (!peer.differences.length) return okCheck(kind, about)
  const names = peer.differences.map(({ name }) => name).join(', ')
  return {
    kind,
    about,
    state: 'warning',
    says: `is deployed with other parameters: ${names}`,
    remedy: 'keyturn version says how they differ.',
  }
}
