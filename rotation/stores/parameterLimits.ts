import type { ParameterHistory } from '@aws-sdk/client-ssm'
import { InvalidCredential } from '../errors.ts'
import { isKeyturnLabel, PENDING_PATH } from './parameterNames.ts'
import type { Description } from './store.ts'

/** What Parameter Store allows. */
const MAX_VERSIONS_COUNT = 100
const MAX_LABELS_COUNT = 10
const MAX_LEVELS_COUNT = 15
const MAX_VALUE_LENGTH = { Standard: 4096, Advanced: 8192 }
/**
 * It documents 1011 for a name, and counts some of the ARN before it as well. A name that is too long for the latter
 * alone is refused when what is pending is put, which is soon enough.
 */
const MAX_NAME_LENGTH = 1010
/** Levels of what is pending besides those of the parameter. */
const PENDING_LEVELS_COUNT = 3

/** Milliseconds that a parameter has to be there for, so that a rotation of it comes to its end. */
const MIN_LIFETIME_MS = 900_000

/** What of a parameter tells whether it can rotate. */
type CheckedParameter = { id: string; versions: ParameterHistory[]; newest: ParameterHistory; now: number }
type Check = (seen: CheckedParameter) => Description['obstacle']

const checks: Check[] = [
  ({ id }) =>
    id.startsWith(`${PENDING_PATH}/`)
      ? { field: 'id', problem: `should be none under ${PENDING_PATH}/: there Keyturn keeps what is pending` }
      : undefined,
  ({ id }) => {
    const levels = id.split('/').filter(Boolean).length
    if (levels <= MAX_LEVELS_COUNT - PENDING_LEVELS_COUNT) return undefined
    const problem = `has ${levels} levels, and what is pending beside it has ${PENDING_LEVELS_COUNT} more: Parameter Store allows ${MAX_LEVELS_COUNT} in all, so a parameter that rotates may have ${MAX_LEVELS_COUNT - PENDING_LEVELS_COUNT}`
    return { field: 'id', problem }
  },
  ({ newest: { Type } }) =>
    Type === 'StringList'
      ? {
          field: 'type',
          problem: 'is StringList; only String and SecureString hold one value that can rotate',
        }
      : undefined,
  ({ newest: { DataType = 'text' } }) =>
    DataType === 'text'
      ? undefined
      : { field: 'data type', problem: `is ${DataType}, whose value is no credential; it should be text` },
  ({ newest: { Labels = [] } }) =>
    Labels.filter(label => label !== 'current' && label !== 'previous').length < MAX_LABELS_COUNT
      ? undefined
      : {
          field: 'labels',
          problem: `the current version has ${MAX_LABELS_COUNT}, as many as Parameter Store allows, and \`previous\` comes to it: take one of yours off`,
        },
  ({ versions }) => {
    const [oldest] = versions
    const label =
      versions.length < MAX_VERSIONS_COUNT ? undefined : oldest?.Labels?.find(label => !isKeyturnLabel(label))
    if (label === undefined) return undefined
    const problem = `version ${oldest?.Version}, the oldest of ${MAX_VERSIONS_COUNT}, has the label ${label}, so that Parameter Store cannot drop it for a new one: move or remove the label`
    return { field: 'labels', problem }
  },
  ({ newest: { Policies = [] }, now }) => {
    const expires = Math.min(...Policies.map(({ PolicyText }) => expirationOf(PolicyText)))
    if (expires > now + MIN_LIFETIME_MS) return undefined
    const problem = `Expiration deletes the parameter at ${new Date(expires).toISOString()}, too soon for a rotation: put it again with a later one`
    return { field: 'policies', problem }
  },
]

/** Why no rotation of this parameter could come to a good end, as far as its name and its history tell. */
export function findObstacle(
  id: string,
  versions: [ParameterHistory, ...ParameterHistory[]],
  now = Date.now(),
): Description['obstacle'] {
  const seen = { id, versions, newest: versions.at(-1) ?? versions[0], now }
  for (const check of checks) {
    const found = check(seen)
    if (found) return found
  }
  return undefined
}

/** When a policy deletes its parameter, in milliseconds; never, if it does not. */
function expirationOf(text = ''): number {
  try {
    const { Type, Attributes } = JSON.parse(text)
    const expires = Type === 'Expiration' ? Date.parse(Attributes.Timestamp) : Number.NaN
    return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** @throws InvalidCredential unless `id` is a name, as every call wants it */
export function requireParameterName(id: string): void {
  const reference = /^\/aws\/reference\/secretsmanager\/(.+)$/.exec(id)
  if (reference)
    throw new InvalidCredential(
      'id',
      `names a secret of Secrets Manager, which is read through Parameter Store and rotates there: start with {"store":"secrets-manager","id":"${reference[1]}"}`,
    )
  const [, name, selector] = /^([\w./-]+):([\w.-]+)$/.exec(id) ?? []
  if (name)
    throw new InvalidCredential(
      'id',
      `should be the name of the parameter alone, ${name}: \`:${selector}\` selects one of its versions`,
    )
  if (!/^[\w./-]+$/.test(id))
    throw new InvalidCredential('id', 'should be the name of a parameter, not its ARN')
}

/** @throws InvalidCredential if what is pending would have a name or a value that Parameter Store does not take */
export function refuseTooLong(id: string, name: string, value: string, tier = 'Standard'): void {
  if (name.length > MAX_NAME_LENGTH)
    throw new InvalidCredential(
      'id',
      `has ${id.length} characters, and what is pending beside it ${name.length - id.length} more: a parameter that rotates may have ${MAX_NAME_LENGTH - name.length + id.length}`,
    )
  const most = tier === 'Standard' ? MAX_VALUE_LENGTH.Standard : MAX_VALUE_LENGTH.Advanced
  if (value.length > most)
    throw new InvalidCredential(
      'value',
      `would have ${value.length} characters, and the tier ${tier} takes ${most}`,
    )
}

/**
 * What errors mean of a put that Parameter Store does not take for what the parameter is, in words. Its own words may
 * quote the value.
 */
export function putErrorHandlers({ AllowedPattern }: ParameterHistory) {
  const refuse = (field: string, problem: string) => (): never => {
    throw new InvalidCredential(field, problem)
  }
  const policies = refuse(
    'policies',
    'Parameter Store does not take those that the parameter has: put it again with others',
  )
  return {
    ParameterPatternMismatchException: refuse(
      'value',
      `the new one does not match the parameter's own AllowedPattern, ${AllowedPattern}: change the pattern, or make other passwords by tags`,
    ),
    HierarchyLevelLimitExceededException: refuse('id', 'has too many levels for what is pending beside it'),
    InvalidPolicyTypeException: policies,
    InvalidPolicyAttributeException: policies,
    IncompatiblePolicyException: policies,
    PoliciesLimitExceededException: policies,
    ValidationException: refuse(
      'id',
      'Parameter Store does not take a new value: its name or the value is too long, or has a character that is not allowed',
    ),
  }
}
