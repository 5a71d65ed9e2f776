import * as v from 'valibot'
import { scheduleIntervalMs } from '../../fleet/scheduleInterval.ts'
import { InvalidInput, InvalidOption, type RotationError } from '../../rotation/errors.ts'
import { type Options, parseOptions } from '../../rotation/options.ts'
import { passwordSettingsSchema } from '../../rotation/password.ts'
import { nonEmptyText } from './nonEmptyText.ts'

const whole = v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1))
/** Variables of every function that works on rotations. */
const common = v.object({
  KEYTURN_CA_FILE: v.optional(nonEmptyText, '/var/runtime/ca-cert.pem'),
  KEYTURN_EXECUTIONS: v.exactOptional(nonEmptyText),
  KEYTURN_TEST_QUERY_MAY_WRITE: v.exactOptional(v.picklist(['true', 'false'])),
})
/** Variables of findDue. */
const due = v.object({
  KEYTURN_RUNS: nonEmptyText,
  KEYTURN_ROTATION_FUNCTION: nonEmptyText,
  KEYTURN_MAX_ROTATIONS: v.pipe(whole, v.maxValue(10_000)),
  KEYTURN_MAX_ROTATIONS_PER_HOST: v.pipe(whole, v.maxValue(40)),
  KEYTURN_DUE_SCHEDULE: v.optional(v.string(), ''),
  KEYTURN_TAG_SCHEDULES: v.optional(v.picklist(['true', 'false']), 'false'),
})
/** Variables of checkCredential and setAdmin, by which they tell this stack's secrets from others. */
const ownership = v.object({
  KEYTURN_ROTATION_FUNCTION: nonEmptyText,
  KEYTURN_KMS_KEY: v.optional(v.string(), ''),
  KEYTURN_ADMIN_SECRET_ARNS: v.optional(v.string(), ''),
})

type Variable = keyof typeof common.entries | keyof typeof due.entries | keyof typeof ownership.entries

/**
 * What an error says of each variable: the parameter of the deployment that sets it, or the variable itself if the template
 * sets it; and what the value should be.
 */
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

/** Variables that hold the deployment's default of an option, and the option's name. rotation/options.ts checks the values. */
const OPTION_BY_VARIABLE: Record<string, string> = {
  KEYTURN_GRACE: 'grace',
  ...Object.fromEntries(Object.keys(passwordSettingsSchema.entries).map(name => [name, name])),
}

/** The settings of a function that works on rotations. */
export type Environment = {
  /**
   * Path of a PEM file with the certificate authorities to trust. The default is the file of Lambda's runtime, which holds those
   * of RDS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html, "CA certificate loading".
   */
  caFile: string
  /** What the ARNs of this stack's executions of rotate begin with, without the `:` and the name that follow. */
  executionArnPrefix: string | undefined
  /** ARN of this stack's state machine rotate-server; '' if KEYTURN_EXECUTIONS is not set. */
  serverStateMachineArn: string
  /** True if test queries may write to the database. */
  testMayWrite?: true
  /** The values of the options that a credential's tags do not set. */
  defaults: Options
}

/**
 * Reads a function's environment. An empty variable counts as unset, because the template sets every variable, and has only ''
 * for an unset parameter.
 * @throws InvalidOption naming the option or the parameter of the deployment
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

/** The settings of findDue. */
type FindDueEnvironment = {
  /** ARN of rotate-due: one execution is one run of the schedule. */
  runStateMachineArn: string
  /** ARN of rotate: one execution is one rotation. The other state machines' names begin with its name. */
  rotationStateMachineArn: string
  /** ARN of rotate-server: one execution rotates what is due on one database server. */
  serverStateMachineArn: string
  /** ARN of this stack's function rotateSecret. */
  rotationFunction: string
  /** How many rotations may go on at the same time. */
  maxRotations: number
  /** How many of them may go on at the same time on one database server. */
  maxRotationsPerHost: number
  /** Milliseconds between two runs of the schedule. */
  intervalMs: number
  /** Whether a run writes the schedules of Secrets Manager into tags. */
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

/** The settings by which a function tells this stack's secrets from others. */
type OwnershipEnvironment = {
  /** ARN of this stack's function rotateSecret. */
  rotationFunction: string
  /** ARN of the KMS key that the deployment names, if it names one. */
  kmsKeyArn?: string
  /** ARNs of admins' secrets that the deployment names, besides those with the tag keyturn:admin=true. */
  listedAdmins?: string[]
}

/** Reads the environment of checkCredential or setAdmin. @throws InvalidInput naming the parameter of the deployment */
export function parseOwnershipEnvironment(variables: NodeJS.ProcessEnv): OwnershipEnvironment {
  const refusal = (name: string, problem: string) => new InvalidInput(`${name}: ${problem}`)
  const output = parseVariables(ownership, variables, refusal)
  const { KEYTURN_KMS_KEY: kmsKeyArn, KEYTURN_ADMIN_SECRET_ARNS: admins } = output
  return {
    rotationFunction: output.KEYTURN_ROTATION_FUNCTION,
    ...(kmsKeyArn && { kmsKeyArn }),
    ...(admins && { listedAdmins: admins.split(',') }),
  }
}

/** Parses variables by a schema. @throws what `refusal` makes of the first variable that is wrong */
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
