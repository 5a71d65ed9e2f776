import { readAdminOf } from './admin.ts'
import type { Credential } from './credential.ts'
import type { Pipeline } from './pipeline.ts'
import { listOtherTokens, readIfParsable } from './storedVersions.ts'
import type { Version } from './stores/store.ts'
import type { Change, StoredValue } from './strategies/strategy.ts'

/** Collects what a strategy needs for a change, and changes nothing itself. `rotatedUsers` are the users that rotate, which the admin may not be. */
export function collectChange(
  pipeline: Pipeline,
  id: string,
  current: Version,
  pending: Version,
  rotatedUsers: string[] = [],
): Change {
  const { store, isRotating } = pipeline
  async function* storedValues(): AsyncIterable<StoredValue> {
    for (const token of await listOtherTokens(store, id, current, pending)) {
      const version = await readIfParsable(store, id, { token })
      if (!version?.credential.isForSameUser(current.credential)) continue
      yield {
        credential: withDatabaseOf(current, version.credential),
        // The order matters. A version becomes current before its rotation ends: so one that no longer rotates is current by now,
        // or never will be.
        isInUse: async () =>
          (await isRotating(token)) || (await store.read(id, { stage: 'current' }))?.token === token,
      }
    }
  }
  return {
    current: current.credential,
    pending: pending.credential,
    readPrevious: async () => (await readIfParsable(store, id, { stage: 'previous' }))?.credential,
    storedValues,
    readAdmin: () => readAdminOf(pipeline, current.credential, rotatedUsers),
    rds: pipeline.rds,
  }
}

/** A stored value with the database name of the current version, as the database that the stored value names may be gone. */
export const withDatabaseOf = ({ credential: { dbname } }: Version, stored: Credential) =>
  stored.with({ dbname })
