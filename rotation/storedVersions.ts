import { Credential } from './credential.ts'
import { Conflict, InvalidCredential } from './errors.ts'
import type { ValueFormat } from './options.ts'
import type { StorePipeline } from './pipeline.ts'
import type { Description, Store, Version } from './stores/store.ts'

/**
 * The store, set to read values in their format.
 * @throws InvalidCredential if the parameter that `connection` names cannot be used
 */
export async function openStore(
  pipeline: Pick<StorePipeline, 'store' | 'readConnection'>,
  { engine, connection }: ValueFormat,
): Promise<Store> {
  const { store } = pipeline
  if (!connection) return engine === 'opaque' ? store.withParser(Credential.parseOpaque) : store
  const text = await pipeline.readConnection(connection)
  try {
    return store.withParser(Credential.passwordOnlyParser(text))
  } catch (error) {
    if (!(error instanceof InvalidCredential)) throw error
    throw new InvalidCredential('keyturn:connection', `in parameter ${connection}, ${error.message}`)
  }
}

/**
 * Reads the version that the description names for a stage.
 * @throws InvalidCredential if there is none; Conflict if another version has the stage by now
 */
export async function readStaged(
  store: Store,
  id: string,
  found: Description,
  stage: 'current' | 'previous',
): Promise<Version> {
  const token = found[stage]
  if (!token) throw new InvalidCredential('value', `the secret has no ${stage} version; store a first value`)
  const version = await store.read(id, { token, stage })
  if (!version) throw new Conflict(`version ${token} is no longer ${stage}`)
  return version
}

/**
 * Reads a version that need not be usable, as a rollback and a retirement do.
 * @returns undefined if there is no such version, or its value cannot be parsed: Keyturn never set such a value in a database, so
 *   there is nothing to undo or to close
 */
export async function readIfParsable(
  store: Store,
  id: string,
  which: { token: string } | { stage: 'previous' },
): Promise<Version | undefined> {
  try {
    return await store.read(id, which)
  } catch (error) {
    if (error instanceof InvalidCredential) return undefined
    throw error
  }
}

/** How many stored versions beside current and pending a rollback looks at: to log in with them, or to ask for their rotations. */
const MAX_OTHER_VERSIONS_COUNT = 10

/** Lists the tokens of the newest stored versions, without the `known` ones, newest first. At most ten. */
export async function listOtherTokens(store: Store, id: string, ...known: Version[]): Promise<string[]> {
  const tokens = await store.listTokens(id)
  return tokens
    .filter(token => known.every(version => version.token !== token))
    .slice(0, MAX_OTHER_VERSIONS_COUNT)
}
