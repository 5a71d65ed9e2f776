import { type Check, okCheck } from '../../fleet/doctor/check.ts'
import type { Peer } from '../peers.ts'
import type { Stack } from '../stack.ts'
import { alignmentText, deployAgainText } from '../version.ts'

/** Checks that the command and the stack have the same version. */
export function versionCheck(command: string, { name, version, stage }: Stack): Check {
  if (command === version) return okCheck('version', name)
  return {
    kind: 'version',
    about: name,
    state: 'warning',
    says: `has version ${version}, and this command has ${command}`,
    remedy: `To make them the same, ${alignmentText(command, version, stage)}`,
  }
}

/** Checks that the stack in a peer Region exists, and has the version and the settings of this one. */
export function peerCheck(peer: Peer, { version, stage }: Stack): Check {
  const { region: about, state } = peer
  const kind = 'peer'
  if (state === 'unseen') return { kind, about, state: 'unread', says: `could not be asked: ${peer.why}` }
  if (state === 'missing')
    return {
      kind,
      about,
      state: 'failed',
      says: `has no stack of the stage ${stage}`,
      remedy: `Deploy one, with the parameters of this one: npx serverless deploy --stage ${stage} --param="region=${about}"`,
    }
  if (peer.version !== version)
    return {
      kind,
      about,
      state: 'warning',
      says: `has version ${peer.version || 'unknown'}, and this stack has ${version}`,
      remedy: `Deploy it again, ${deployAgainText(stage, about)}`,
    }
  if (!peer.differences.length) return okCheck(kind, about)
  const names = peer.differences.map(({ name }) => name).join(', ')
  return {
    kind,
    about,
    state: 'warning',
    says: `is deployed with other parameters: ${names}`,
    remedy: 'keyturn version shows how they differ.',
  }
}
