import type { StoreName } from '../../rotation/stores/store.ts'
import { STORE_NAMES } from '../../rotation/stores/store.ts'
import type { HistoryEvent } from './rotationRecord.ts'

/**
 * What is kept of a version that an execution of set-admin made: it has the password of the version that it replaced, so its own
 * date says nothing of that one's age.
 */
export type EditRecord = {
  store: StoreName
  /** What the execution was started with: a name or an ARN. */
  id: string
  arn?: string
  /** The execution's ARN. */
  execution: string
  /** The id of the version that it made, and of the one that it replaced. */
  version: string
  replaced: string
  /** ARN of the admin's secret that the value names since. */
  admin: string
  /** When the version was made, and when the replaced one was. ISO 8601, UTC. */
  made: string
  passwordSince: string
}

/** What an execution's history says of the edit. Undefined if it made none. */
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

/** Characters of a text: an ARN has 2048 at most. */
const MAX_TEXT_LENGTH = 2048

function parseObject(json = ''): Record<string, unknown> {
  try {
    return JSON.parse(json) ?? {}
  } catch {
    return {}
  }
}

/** Milliseconds by which two answers of a service may name the same moment. */
const SAME_MOMENT_MS = 1000

/**
 * Whether the current version is the one that the edit made: by its id, or where that is not known (Parameter Store) by its date.
 */
export const isEditCurrent = (
  { version, made }: Pick<EditRecord, 'version' | 'made'>,
  current: { version?: string | undefined; at?: string | undefined },
): boolean =>
  current.version === undefined
    ? Math.abs(Date.parse(made) - Date.parse(current.at ?? '')) <= SAME_MOMENT_MS
    : current.version === version
