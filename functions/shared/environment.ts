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
/** Variables of checkCredential and setAdmin: which secrets this stack rotates, and which keys and admins it may use. */
const ownership = v.object({
  KEYTURN_ROTATION_FUNCTION: nonEmptyText,
  KEYTURN_KMS_KEY: v.optional(v.string(), ''),
  KEYTURN_ADMIN_SECRET_ARNS: v.optional(v.string(), ''),
})

type Variable = keyof typeof common.entries | keyof typeof due.entries | keyof typeof ownership.entries

/**
 * What an error says of each variable: who sets it, and what is wrong with its value. The first is the parameter of the deployment,
 * or the variable itself where no parameter sets it.
 */
const PROBLEM_BY_VARIABLE: Record<Variable, [setBy: string, problem: string]> = {
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
    (setBy, problem) => new InvalidOption(setBy, problem),
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
  /** ARN of rotate-due: one execution is one run. */
  runStateMachineArn: string
  /** ARN of rotate: one execution is one rotation. */
  rotationStateMachineArn: string
  /** ARN of rotate-server: one execution rotates what is due on one database server. */
  serverStateMachineArn: string
  /** ARN of this stack's function rotateSecret. */
  rotationFunction: string
  /** How many rotations may go on at the same time, in all. */
  maxRotations: number
  /** How many rotations may go on at the same time on one database server. */
  maxRotationsPerHost: number
  /** Milliseconds between two runs of the schedule. */
  intervalMs: number
  /** Whether a run writes the schedules of Secrets Manager into tags. */
  tagSchedules: boolean
}

/** Reads findDue's environment. @throws InvalidInput naming the parameter of the deployment */
export function parseFindDueEnvironment(variables: NodeJS.ProcessEnv): FindDueEnvironment {
  const refusal = (setBy: string, problem: string) => new InvalidInput(`${setBy}: ${problem}`)
  const output = parseVariables(due, variables, refusal)
  return {
    // The names of the three state machines end in rotate-due, rotate and rotate-server, and are equal before that.
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

/** Which secrets this stack rotates, and which keys and admins it may use. */
type OwnershipEnvironment = {
  /** ARN of this stack's function rotateSecret. */
  rotationFunction: string
  /** ARN of the KMS key that the deployment names, if it names one. Only checkCredential gets it. */
  kmsKeyArn?: string
  /** ARNs of admins' secrets that the deployment names, besides those with the tag keyturn:admin=true. Only setAdmin gets them. */
  listedAdmins?: string[]
}

/** Reads the environment of checkCredential or setAdmin. @throws InvalidInput naming the parameter of the deployment */
export function parseOwnershipEnvironment(variables: NodeJS.ProcessEnv): OwnershipEnvironment {
  const refusal = (setBy: string, problem: string) => new InvalidInput(`${setBy}: ${problem}`)
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
  refusal: (setBy: string, problem: string) => RotationError,
): T {
  const result = v.safeParse(schema, variables)
  if (result.success) return result.output
  const name = String(result.issues[0].path?.[0].key)
  throw refusal(...PROBLEM_BY_VARIABLE[name as Variable])
}
