import type { EngineName } from '../engines/traits.ts'
import type { StoreName } from '../stores/store.ts'
import type { StrategyName } from '../strategies/strategyNames.ts'

/** The names of the lines about the database and the network path to it. */
export const DATABASE_LINES = [
  'name',
  'port',
  'tls',
  'login',
  'pooler',
  'connections',
  'test-query',
  'admin',
  'admin-login',
  'privileges',
] as const

/**
 * The names of all lines of a check, in the order in which they are shown. A line is not checked if another that it needs failed.
 */
export const LINE_NAMES = [
  ...(['tags', 'value', 'key', 'store', 'pending', 'replicas'] as const),
  ...DATABASE_LINES,
  'password-rules',
] as const
/** The name of a line. */
export type CheckLineName = (typeof LINE_NAMES)[number]

/** `not-looked-at`: another line failed, the server does not tell, the deployment does not allow the look, or the time was over. */
export type CheckLineState = 'ok' | 'warning' | 'failed' | 'not-looked-at'

/** One line of a check. Its texts contain no secret value. */
export type CheckLine = {
  line: CheckLineName
  state: CheckLineState
  /** One sentence, of at most 300 characters. */
  says: string
  /** The name of the error that a rotation would end with. */
  error?: string
  /** What to do about it, in at most 300 characters. */
  remedy?: string
}

/** The result of a check: whether the rotation of one credential would go well. Fields that could not be found out are left out. */
export type CheckResult = {
  store: StoreName
  /** The name or ARN that was asked for. */
  id: string
  name?: string
  arn?: string
  engine?: EngineName
  strategy?: StrategyName
  user?: string
  nextUser?: string
  /** The database server, `host:port`. */
  address?: string
  /** ARN of the admin's secret. */
  admin?: string
  /** The worst state of the lines. */
  result: Exclude<CheckLineState, 'not-looked-at'>
  lines: CheckLine[]
}
