import type { Tags } from '../../rotation/tags.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { sanitize } from '../output.ts'
import type { Say } from '../watch/runJobs.ts'
import type { CredentialCalls } from './calls.ts'

/** One call, as it is shown before it is made. */
export type ShownCall = {
  service: 'secretsmanager' | 'ssm' | 'states'
  operation: string
  resource: string
  sets: string
}

/** One call that changes something. Made twice, it changes nothing more. */
export type EnrolStep = {
  shownCall: ShownCall
  run(say: Say): Promise<void>
  /** Takes it back, but for the tags that are to stay; without it, it cannot be. @returns what it took back */
  undo?: (stays: string[]) => Promise<string[]>
}

/** A call in a line. */
export const shownCallText = ({ service, operation, resource, sets }: ShownCall): string =>
  `${service}:${operation}  ${resource}  ${sanitize(sets)}`

/** Sets tags. Taken back, each has the value of before, or is gone. */
export function tagStep(calls: CredentialCalls, found: FoundCredential, tags: Tags, why = ''): EnrolStep {
  const pairs = Object.entries(tags)
  const text = pairs.map(([key, value]) => `${key}=${value}`).join(' ')
  return {
    shownCall: {
      ...(found.store === 'secrets-manager'
        ? { service: 'secretsmanager', operation: 'TagResource' }
        : { service: 'ssm', operation: 'AddTagsToResource' }),
      ...{ resource: fullId(found.store, found.name), sets: `${text}${why && `  (${why})`}` },
    },
    async run(say) {
      await calls.tag(found, tags)
      say(`tagged ${text}`)
    },
    async undo(stays) {
      const keys = Object.keys(tags).filter(key => !stays.includes(key))
      const before = keys.filter(key => key in found.tags)
      const fresh = keys.filter(key => !(key in found.tags)).reverse()
      if (before.length) await calls.tag(found, pick(found.tags, before))
      if (fresh.length) await calls.untag(found, fresh)
      return [...fresh, ...before.map(key => `${key} (${found.tags[key]} again)`)]
    },
  }
}

/** Takes tags off. Taken back, they are there again. */
export function untagStep(calls: CredentialCalls, found: FoundCredential, keys: string[]): EnrolStep {
  return {
    shownCall: {
      ...(found.store === 'secrets-manager'
        ? { service: 'secretsmanager', operation: 'UntagResource' }
        : { service: 'ssm', operation: 'RemoveTagsFromResource' }),
      ...{ resource: fullId(found.store, found.name), sets: `takes off ${keys.join(', ')}` },
    },
    async run(say) {
      await calls.untag(found, keys)
      say(`took off ${keys.join(', ')}`)
    },
    async undo() {
      await calls.tag(found, pick(found.tags, keys))
      return keys.map(key => `${key} is there again`)
    },
  }
}

const pick = (tags: Tags, keys: string[]): Tags =>
  Object.fromEntries(keys.flatMap(key => (tags[key] === undefined ? [] : [[key, tags[key]]])))
