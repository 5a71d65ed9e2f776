import type { EngineName } from '../engines/traits.ts'
import type { StoreName } from '../stores/store.ts'
import type { StrategyName } from '../strategies/strategyNames.ts'

/** What is looked at in the database, and on the way there. */
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

/** What is looked at, in this order; each needs that those before it went well. */
export const LINE_NAMES = [
  ...(['tags', 'value', 'key', 'store', 'pending', 'replicas'] as const),
  ...DATABASE_LINES,
  'password-rules',
] as const
export type CheckLineName = (typeof LINE_NAMES)[number]

/** `not-looked-at`: something before it failed, or this server does not tell. */
export type CheckLineState = 'ok' | 'warning' | 'failed' | 'not-looked-at'

/** What one look found. Neither text holds a secret. */
export type CheckLine = {
  line: CheckLineName
  state: CheckLineState
  /** One sentence, of at most 300 characters. */
  says: string
  /** The name of the error that a rotation would end with. */
  error?: string
  /** What to do about it, one sentence, of at most 300 characters. */
  remedy?: string
}

/** Whether the rotation of one credential would go well. What is not known, as a look failed before it, is left out. */
export type CheckResult = {
  store: StoreName
  /** As it was asked for. */
  id: string
  name?: string
  arn?: string
  engine?: EngineName
  strategy?: StrategyName
  user?: string
  nextUser?: string
  /** `host:port` of the value. */
  address?: string
  /** ARN of the admin's secret. */
  admin?: string
  /** The worst of the lines. */
  result: Exclude<CheckLineState, 'not-looked-at'>
  lines: CheckLine[]
}
