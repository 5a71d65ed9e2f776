import * as v from 'valibot'
import { scheduleIntervalMs } from '../../fleet/scheduleInterval.ts'
import { InvalidInput, InvalidOption, type RotationError } from '../../rotation/errors.ts'
import { type Options, parseOptions } from '../../rotation/options.ts'
import { passwordSettingsSchema } from '../../rotation/password.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const whole = v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1))
const common = v.object({
  KEYTURN_CA_FILE: v.optional(text, '/var/runtime/ca-cert.pem'),
  KEYTURN_EXECUTIONS: v.exactOptional(text),
  KEYTURN_TEST_QUERY_MAY_WRITE: v.exactOptional(v.picklist(['true', 'false'])),
})
const due = v.object({
  KEYTURN_RUNS: text,
  KEYTURN_ROTATION_FUNCTION: text,
  KEYTURN_MAX_ROTATIONS: v.pipe(whole, v.maxValue(10_000)),
  KEYTURN_MAX_ROTATIONS_PER_HOST: v.pipe(whole, v.maxValue(40)),
  KEYTURN_DUE_SCHEDULE: v.optional(v.string(), ''),
  KEYTURN_TAG_SCHEDULES: v.optional(v.picklist(['true', 'false']), 'false'),
})

const own = v.object({
  KEYTURN_ROTATION_FUNCTION: text,
  KEYTURN_KMS_KEY: v.optional(v.string(), ''),
  KEYTURN_ADMIN_SECRET_ARNS: v.optional(v.string(), ''),
})

type Variable = keyof typeof common.entries | keyof typeof due.entries | keyof typeof own.entries

/** What sets each variable, the deployment's parameter or the template itself, and what it should be. */
const VARIABLE_RULES: Record<Variable, [setBy: string, should: string]> = {
  KEYTURN_CA_FILE: ['caFile', "should be the path of a PEM file in the project's folder"],
  KEYTURN_TEST_QUERY_MAY_WRITE: ['testQueryMayWrite', 'should be true or false'],
  KEYTURN_MAX_ROTATIONS: ['maxConcurrentRotations', 'should be a whole number from 1 to 10000'],
  KEYTURN_MAX_ROTATIONS_PER_HOST: ['maxConcurrentRotationsPerHost', 'should be a whole number from 1 to 40'],
  KEYTURN_DUE_SCHEDULE: ['dueSchedule', 'should be a rate of at most an hour, such as rate(15 minutes)'],
  KEYTURN_TAG_SCHEDULES: ['tagSchedules', 'should be true or false'],
  KEYTURN_EXECUTIONS: ['environment variable KEYTURN_EXECUTIONS', 'is not set'],
  KEYTURN_RUNS: ['environment variable KEYTURN_RUNS', 'is not set'],
  KEYTURN_ROTATION_FUNCTION: ['environment variable KEYTURN_ROTATION_FUNCTION', 'is not set'],
  KEYTURN_KMS_KEY: ['kmsKeyArn', 'should be the ARN of a key'],
  KEYTURN_ADMIN_SECRET_ARNS: ['adminSecretArns', 'should be ARNs with commas between them'],
}

/** Variables that are the deployment's default of an option; what that should be is said where options are read. */
const OPTION_BY_VARIABLE: Record<string, string> = {
  KEYTURN_GRACE: 'grace',
  ...Object.fromEntries(Object.keys(passwordSettingsSchema.entries).map(name => [name, name])),
}

export type Environment = {
  /** PEM file of the issuers to trust. By default Lambda's own, which holds the roots of RDS. */
  caFile: string
  /** What the ARNs of this stack's rotate executions begin with, up to the name. */
  executionArnPrefix: string | undefined
  /** ARN of this stack's rotate-server, which is named after rotate. */
  serverStateMachineArn: string
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
  const { KEYTURN_CA_FILE, KEYTURN_EXECUTIONS, KEYTURN_TEST_QUERY_MAY_WRITE } = parseVariables(
    common,
    given,
    (name, problem) => new InvalidOption(name, problem),
  )
  const options = Object.entries(OPTION_BY_VARIABLE).flatMap(([name, option]) =>
    given[name] ? [[option, given[name]]] : [],
  )
  return {
    caFile: KEYTURN_CA_FILE,
    executionArnPrefix: KEYTURN_EXECUTIONS,
    serverStateMachineArn: KEYTURN_EXECUTIONS
      ? `${KEYTURN_EXECUTIONS.replace(':execution:', ':stateMachine:')}-server`
      : '',
    ...(KEYTURN_TEST_QUERY_MAY_WRITE === 'true' && { testMayWrite: true }),
    defaults: parseOptions(Object.fromEntries(options)),
  }
}

type FindDueEnvironment = {
  /** ARN of the state machine that rotates what is due. */
  runStateMachineArn: string
  /** ARN of the state machine that each rotation is an execution of. The others are named after it. */
  rotationStateMachineArn: string
  /** ARN of the state machine whose executions have a database server each. */
  serverStateMachineArn: string
  /** ARN of this stack's rotateSecret. */
  rotationFunction: string
  /** How many rotations may go on at once, in all and on one database server. */
  maxRotations: number
  maxRotationsPerHost: number
  /** How many milliseconds lie between two runs of the schedule. */
  intervalMs: number
  /** Whether runs write Secrets Manager's schedules into tags. */
  tagSchedules: boolean
}

/** Reads findDue's environment. @throws InvalidInput naming the parameter of the deployment */
export function parseFindDueEnvironment(variables: NodeJS.ProcessEnv): FindDueEnvironment {
  const refusal = (name: string, problem: string) => new InvalidInput(`${name}: ${problem}`)
  const output = parseVariables(due, variables, refusal)
  return {
    runStateMachineArn: output.KEYTURN_RUNS,
    rotationStateMachineArn: output.KEYTURN_RUNS.replace(/-due$/, ''),
    serverStateMachineArn: output.KEYTURN_RUNS.replace(/-due$/, '-server'),
    rotationFunction: output.KEYTURN_ROTATION_FUNCTION,
    maxRotations: output.KEYTURN_MAX_ROTATIONS,
    maxRotationsPerHost: output.KEYTURN_MAX_ROTATIONS_PER_HOST,
    intervalMs: scheduleIntervalMs(output.KEYTURN_DUE_SCHEDULE),
    tagSchedules: output.KEYTURN_TAG_SCHEDULES === 'true',
  }
}

/** By what a function tells this stack's secrets from others. */
type OwnershipEnvironment = {
  /** ARN of this stack's rotateSecret. */
  rotationFunction: string
  /** ARN of the KMS key that the deployment names. */
  kmsKeyArn?: string
  /** ARNs of admins' secrets besides those that are tagged. */
  listedAdmins?: string[]
}

/** Reads it of checkCredential and setAdmin. @throws InvalidInput naming the parameter of the deployment */
export function parseOwnershipEnvironment(variables: NodeJS.ProcessEnv): OwnershipEnvironment {
  const refusal = (name: string, problem: string) => new InvalidInput(`${name}: ${problem}`)
  const output = parseVariables(own, variables, refusal)
  const { KEYTURN_KMS_KEY: kmsKeyArn, KEYTURN_ADMIN_SECRET_ARNS: admins } = output
  return {
    rotationFunction: output.KEYTURN_ROTATION_FUNCTION,
    ...(kmsKeyArn && { kmsKeyArn }),
    ...(admins && { listedAdmins: admins.split(',') }),
  }
}

function parseVariables<T>(
  schema: v.GenericSchema<unknown, T>,
  variables: object,
  refusal: (setBy: string, should: string) => RotationError,
): T {
  const result = v.safeParse(schema, variables)
  if (result.success) return result.output
  const name = String(result.issues[0].path?.[0].key)
  throw refusal(...VARIABLE_RULES[name as Variable])
}
