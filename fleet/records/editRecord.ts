import type { StoreName } from '../../rotation/stores/store.ts'
import { STORE_NAMES } from '../../rotation/stores/store.ts'
import { parseObject } from './parseObject.ts'
import type { HistoryEvent } from './recordFromHistory.ts'

/**
 * An edit: what an execution of the state machine set-admin changed. It makes a version of the credential with another admin but
 * the same password, so the version's date does not tell how old the password is.
 */
export type EditRecord = {
  store: StoreName
  /** What the execution was started with: a name or an ARN. */
  id: string
  arn?: string
  /** The execution's ARN. */
  execution: string
  /** The id of the version that the execution made. */
  version: string
  /** The id of the version that was replaced. */
  replaced: string
  /** ARN of the admin's secret that the new version names. */
  admin: string
  /** When the version was made. ISO 8601, UTC. */
  made: string
  /** When the replaced version was made, and with it the password. ISO 8601, UTC. */
  passwordSince: string
}

/**
 * The edit that an execution made, by its history.
 * @param execution the execution's ARN
 * @returns undefined if it made none
 */
export function editRecordOf(execution: string, history: HistoryEvent[]): EditRecord | undefined {
  const announced = history.find(
    ({ stateEnteredEventDetails: entered }) => entered?.name === 'AnnounceAdminSet',
  )
  const state = parseObject(announced?.stateEnteredEventDetails?.input)
  const names = ['store', 'id', 'version', 'replaced', 'admin', 'made', 'passwordSince'] as const
  const texts = names.map(name => [name, state[name]] as const)
  if (texts.some(([, value]) => typeof value !== 'string' || !value || value.length > MAX_TEXT_LENGTH))
    return undefined
  if (!STORE_NAMES.some(name => name === state.store)) return undefined
  const { arn } = state
  return { ...Object.fromEntries(texts), execution, ...(typeof arn === 'string' && { arn }) } as EditRecord
}

/** An ARN has at most 2048 characters, and Keyturn writes no longer text into a state. */
const MAX_TEXT_LENGTH = 2048

/** Two times of a service that differ by no more are taken for the same moment. */
const SAME_MOMENT_MS = 1000

/**
 * Whether the current version is the one that the edit made. They are compared by their ids, or by their dates where the id is not
 * known, as in Parameter Store.
 * @param current the current version's id, and when it was made, in ISO 8601
 */
export const isEditCurrent = (
  { version, made }: Pick<EditRecord, 'version' | 'made'>,
  current: { version?: string | undefined; at?: string | undefined },
): boolean =>
  current.version === undefined
    ? Math.abs(Date.parse(made) - Date.parse(current.at ?? '')) <= SAME_MOMENT_MS
    : current.version === version
