import * as v from 'valibot'
import { intervalOf } from '../../fleet/interval.ts'
import { InvalidInput, InvalidOption } from '../../rotation/errors.ts'
import { type Options, parseOptions } from '../../rotation/options.ts'
import { passwordSettings } from '../../rotation/password.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const schema = v.object({
  KEYTURN_CA_FILE: v.optional(text, '/var/runtime/ca-cert.pem'),
  KEYTURN_EXECUTIONS: v.exactOptional(text),
  KEYTURN_GRACE: v.exactOptional(text),
  KEYTURN_TEST_QUERY_MAY_WRITE: v.exactOptional(v.string()),
})

export type Environment = {
  /** PEM file of the issuers to trust. By default Lambda's own, which holds the roots of RDS. */
  caFile: string
  /** What the ARNs of this stack's rotate executions begin with, up to the name. */
  executions: string | undefined
  /** ARN of this stack's rotate-server, which is named after rotate. */
  servers: string
  /** Set: test queries may write. */
  testMayWrite?: true
  defaults: Options
}

/**
 * Reads the function's environment. An empty variable counts as unset, as CloudFormation cannot leave one out.
 * @throws InvalidOption
 */
export function parseEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const given = Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => Boolean(entry[1])),
  )
  const { KEYTURN_CA_FILE, KEYTURN_EXECUTIONS, KEYTURN_GRACE, KEYTURN_TEST_QUERY_MAY_WRITE } = v.parse(
    schema,
    given,
  )
  if (!['true', 'false', undefined].includes(KEYTURN_TEST_QUERY_MAY_WRITE))
    throw new InvalidOption('testQueryMayWrite', 'should be true or false')
  const options = Object.keys(passwordSettings.entries).flatMap(name =>
    given[name] ? [[name, given[name]]] : [],
  )
  return {
    caFile: KEYTURN_CA_FILE,
    executions: KEYTURN_EXECUTIONS,
    servers: KEYTURN_EXECUTIONS
      ? `${KEYTURN_EXECUTIONS.replace(':execution:', ':stateMachine:')}-server`
      : '',
    ...(KEYTURN_TEST_QUERY_MAY_WRITE === 'true' && { testMayWrite: true }),
    defaults: parseOptions({
      ...Object.fromEntries(options),
      ...(KEYTURN_GRACE && { grace: KEYTURN_GRACE }),
    }),
  }
}

const whole = v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1))
const due = v.object({
  KEYTURN_RUNS: text,
  KEYTURN_ROTATION_FUNCTION: text,
  KEYTURN_MAX_ROTATIONS: v.pipe(whole, v.maxValue(10_000)),
  KEYTURN_MAX_ROTATIONS_PER_HOST: v.pipe(whole, v.maxValue(40)),
  KEYTURN_DUE_SCHEDULE: v.optional(v.string(), ''),
})

type DueEnvironment = {
  /** ARN of the state machine that rotates what is due. */
  runs: string
  /** ARN of the state machine that each rotation is an execution of. The others are named after it. */
  rotations: string
  /** ARN of the state machine whose executions have a database server each. */
  servers: string
  /** ARN of this stack's rotateSecret. */
  rotationFunction: string
  /** How many rotations may go on at once, in all and on one database server. */
  maxRotations: number
  maxRotationsPerHost: number
  /** How many milliseconds lie between two runs of the schedule. */
  interval: number
}

const expected: Record<string, string> = {
  KEYTURN_MAX_ROTATIONS: 'maxConcurrentRotations: should be a whole number from 1 to 10000',
  KEYTURN_MAX_ROTATIONS_PER_HOST: 'maxConcurrentRotationsPerHost: should be a whole number from 1 to 40',
}

/** Reads findDue's environment. @throws InvalidInput naming the parameter of the deployment */
export function parseDueEnvironment(variables: NodeJS.ProcessEnv): DueEnvironment {
  const result = v.safeParse(due, variables)
  if (!result.success) {
    const name = String(result.issues[0].path?.[0].key)
    throw new InvalidInput(expected[name] ?? `environment variable ${name}: is not set`)
  }
  const { output } = result
  return {
    runs: output.KEYTURN_RUNS,
    rotations: output.KEYTURN_RUNS.replace(/-due$/, ''),
    servers: output.KEYTURN_RUNS.replace(/-due$/, '-server'),
    rotationFunction: output.KEYTURN_ROTATION_FUNCTION,
    maxRotations: output.KEYTURN_MAX_ROTATIONS,
    maxRotationsPerHost: output.KEYTURN_MAX_ROTATIONS_PER_HOST,
    interval: intervalOf(output.KEYTURN_DUE_SCHEDULE),
  }
}
