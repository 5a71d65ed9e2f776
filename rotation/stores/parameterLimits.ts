import type { ParameterHistory } from '@aws-sdk/client-ssm'
import { InvalidCredential } from '../errors.ts'
import { isKeyturnLabel, PENDING_PATH } from './parameterNames.ts'
import type { Description } from './store.ts'

// Limits of Parameter Store, from
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html

/** Versions of a parameter that are kept. */
const MAX_VERSIONS_COUNT = 100
/** Labels of one version. */
const MAX_LABELS_COUNT = 10
/** Parts of a name between slashes. */
const MAX_LEVELS_COUNT = 15
/** Characters of a value, by the parameter's tier. */
const MAX_VALUE_LENGTH = { Standard: 4096, Advanced: 8192 }
/**
 * Characters of a name: one less than AWS documents. A part of the ARN before the name counts for AWS too. If that part makes a
 * name too long, AWS refuses it when the pending value is written, before anything else has changed.
 */
const MAX_NAME_LENGTH = 1010

/** Levels of a pending value's name beyond those of its parameter: `keyturn`, `pending` and the token. */
const PENDING_LEVELS_COUNT = 3

/** Milliseconds that a rotation may take. A parameter that a policy deletes within that time cannot rotate. */
const MIN_LIFETIME_MS = 900_000

/** The facts that decide whether a parameter can rotate. `now` is in milliseconds since 1970. */
type CheckedParameter = { id: string; versions: ParameterHistory[]; newest: ParameterHistory; now: number }
/** Looks for one thing that stands in the way of a rotation. @returns undefined if it is not there */
type Check = (parameter: CheckedParameter) => Description['obstacle']

/** All checks, in the order in which findObstacle makes them. */
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

/**
 * Finds why a rotation of this parameter could not end well, as far as its name and its history tell.
 * @param versions the parameter's history, oldest first
 * @returns undefined if nothing stands in the way
 */
export function findObstacle(
  id: string,
  versions: [ParameterHistory, ...ParameterHistory[]],
  now = Date.now(),
): Description['obstacle'] {
  const parameter = { id, versions, newest: versions.at(-1) ?? versions[0], now }
  for (const check of checks) {
    const obstacle = check(parameter)
    if (obstacle) return obstacle
  }
  return undefined
}

/** When a policy deletes its parameter, in milliseconds since 1970; Infinity if it does not. */
function expirationOf(text = ''): number {
  try {
    const { Type, Attributes } = JSON.parse(text)
    const expires = Type === 'Expiration' ? Date.parse(Attributes.Timestamp) : Number.NaN
    return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** Checks that `id` is the name of a parameter: no ARN, no version, no reference to a secret. @throws InvalidCredential */
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

/**
 * Checks the length of a pending value and of its name.
 * @param name the name under which the pending value of parameter `id` is kept
 * @throws InvalidCredential if Parameter Store would refuse one of them
 */
export function refuseTooLong(id: string, name: string, value: string, tier = 'Standard'): void {
  if (name.length > MAX_NAME_LENGTH)
    throw new InvalidCredential(
      'id',
      `has ${id.length} characters, and what is pending beside it ${name.length - id.length} more: a parameter that rotates may have ${MAX_NAME_LENGTH - name.length + id.length}`,
    )
  const maxLength = tier === 'Standard' ? MAX_VALUE_LENGTH.Standard : MAX_VALUE_LENGTH.Advanced
  if (value.length > maxLength)
    throw new InvalidCredential(
      'value',
      `would have ${value.length} characters, and the tier ${tier} takes ${maxLength}`,
    )
}

/**
 * Makes the handlers for errors of PutParameter that come from the parameter's own settings, such as its pattern or its policies.
 * The messages are Keyturn's own, as those of Parameter Store may quote the value.
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
