import type { Tags } from '../../rotation/tags.ts'
import { type FoundCredential, fullId } from '../credential.ts'
import { sanitize } from '../output.ts'
import type { Say } from '../watch/runJobs.ts'
import type { CredentialCalls } from './calls.ts'

/** A call to AWS, as the user sees it before it is made. `sets` says what it sets or does. */
export type ShownCall = {
  service: 'secretsmanager' | 'ssm' | 'states'
  operation: string
  /** The credential or the admin's secret, as `secret:NAME` or `parameter:NAME`. */
  resource: string
  sets: string
}

/** A call to AWS by which `enrol` or `unenrol` changes something. It is idempotent. */
export type EnrolStep = {
  shownCall: ShownCall
  run(say: Say): Promise<void>
  /**
   * Undoes the call, but leaves the tags in `keptTags`. A step without `undo` cannot be undone.
   * @returns what was undone, for the user
   */
  undo?: (keptTags: string[]) => Promise<string[]>
}

/** A call in one line. */
export const shownCallText = ({ service, operation, resource, sets }: ShownCall): string =>
  `${service}:${operation}  ${resource}  ${sanitize(sets)}`

/** A step that sets tags. To undo it, each tag gets its old value back, or is removed if it is new. */
export function tagStep(calls: CredentialCalls, found: FoundCredential, tags: Tags, why = ''): EnrolStep {
  const pairs = Object.entries(tags)
  const text = pairs.map(([key, value]) => `${key}=${value}`).join(' ')
  return {
    shownCall: {
      ...(found.store === 'secrets-manager'
        ? { service: 'secretsmanager', operation: 'TagResource' }
        : { service: 'ssm', operation: 'AddTagsToResource' }),
      resource: fullId(found.store, found.name),
      sets: `${text}${why && `  (${why})`}`,
    },
    async run(say) {
      await calls.tag(found, tags)
      say(`tagged ${text}`)
    },
    async undo(keptTags) {
      const keys = Object.keys(tags).filter(key => !keptTags.includes(key))
      const changed = keys.filter(key => key in found.tags)
      const added = keys.filter(key => !(key in found.tags)).reverse()
      if (changed.length) await calls.tag(found, pick(found.tags, changed))
      if (added.length) await calls.untag(found, added)
      return [...added, ...changed.map(key => `${key} (${found.tags[key]} again)`)]
    },
  }
}

/** A step that removes tags. To undo it, they are set again. */
export function untagStep(calls: CredentialCalls, found: FoundCredential, keys: string[]): EnrolStep {
  return {
    shownCall: {
      ...(found.store === 'secrets-manager'
        ? { service: 'secretsmanager', operation: 'UntagResource' }
        : { service: 'ssm', operation: 'RemoveTagsFromResource' }),
      resource: fullId(found.store, found.name),
      sets: `removes ${keys.join(', ')}`,
    },
    async run(say) {
      await calls.untag(found, keys)
      say(`removed ${keys.join(', ')}`)
    },
    async undo() {
      await calls.tag(found, pick(found.tags, keys))
      return keys.map(key => `${key} (set again)`)
    },
  }
}

const pick = (tags: Tags, keys: string[]): Tags =>
  Object.fromEntries(keys.flatMap(key => (tags[key] === undefined ? [] : [[key, tags[key]]])))
