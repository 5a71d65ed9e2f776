import {
  CreateSecretCommand,
  DescribeSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import { type EnrolOptions, runEnrolCommand } from '../../cli/commands/enrol.ts'
import { runUnenrolCommand } from '../../cli/commands/unenrol.ts'
import { CommandError } from '../../cli/exit.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import type { CheckLine } from '../../rotation/check/line.ts'
import { type Tags, tagsIn } from '../../rotation/tags.ts'
import { type Account, functionArn, stackOf, startAccount, stubEnvironment } from './account.ts'
import { type PlayedExecutions, playExecutions, stackOutputs } from './playedExecutions.ts'
import { terminalContext } from './terminal.ts'

/** The ARN of one of AWS's rotation functions. */
export const officialFunctionArn = functionArn.replace(
  /[^:]+$/,
  'SecretsManagerRDSPostgreSQLRotationMultiUser',
)
export const rotationRules = { ScheduleExpression: 'cron(0 2 ? * SUN *)', Duration: '3h' }
/** The names of calls that change something. */
export const changingActions =
  /^(TagResource|UntagResource|AddTags|RemoveTags|RotateSecret|CancelRotateSecret|StartExecution|Put|Update)/

export const singleUserOptions: EnrolOptions = { strategy: 'single-user', every: '30d', yes: true }
export const failedLine: CheckLine = {
  ...{ line: 'login', state: 'failed', says: 'the server refuses user shop', error: 'LoginRefused' },
  remedy: 'Store its password.',
}
/** A line that says that the check could not read. */
export const unseenLine: CheckLine = {
  line: 'tags',
  state: 'failed',
  says: 'AWS refuses',
  error: 'NotPermitted',
}
export const warningLine: CheckLine = {
  line: 'tls',
  state: 'warning',
  says: 'ends in 9 days',
  remedy: 'Renew it.',
}

type World = {
  secretsManager: SecretsManagerServer
  stepFunctions: StepFunctionsServer
  account: Account
  played: PlayedExecutions
}

/** Starts an account before the tests of a file, and resets it before each. @returns what the tests do with it */
export function setUpEnrolment() {
  const world = {} as World
  let secrets: SecretsManagerClient
  beforeAll(async () => {
    world.secretsManager = await startSecretsManager()
    world.stepFunctions = await startStepFunctions()
    world.account = await startAccount({
      secretsManager: world.secretsManager.url,
      stepFunctions: world.stepFunctions.url,
    })
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
    secrets = new SecretsManagerClient({
      endpoint: world.secretsManager.url,
      region: 'eu-west-1',
      credentials,
    })
    process.setMaxListeners(200)
  })
  afterAll(async () => {
    world.account?.stop()
    world.stepFunctions?.stop()
    await world.secretsManager?.stop()
  })
  beforeEach(() => {
    stubEnvironment(world.account.url)
    world.account.stacks.splice(0, 9, stackOf('local', stackOutputs))
    world.account.parameters.clear()
    world.account.secrets.clear()
    world.account.refuse()
    world.account.sent.length = 0
    world.account.calls.length = 0
    world.played = playExecutions(world.account)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    expect(world.account.sent.map(({ action }) => action)).not.toContain('GetSecretValue')
  })

  let made = 0
  /** Makes a secret, which the function `turned` rotates, if given. */
  const secret = async (tags: Tags = {}, turned?: string): Promise<{ name: string; arn: string }> => {
    const name = `shop/db-${made++}`
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const { ARN = '' } = await secrets.send(
      new CreateSecretCommand({ Name: name, SecretString: 'Hidden-1', Tags }),
    )
    if (turned)
      await secrets.send(
        new RotateSecretCommand({
          ...{ SecretId: ARN, RotationLambdaARN: turned, RotationRules: rotationRules },
          RotateImmediately: false,
        }),
      )
    return { name, arn: ARN }
  }

  const describeSecret = (id: string) => secrets.send(new DescribeSecretCommand({ SecretId: id }))
  const tagsOf = async (id: string): Promise<Tags> => tagsIn((await describeSecret(id)).Tags)
  /** @returns the function that rotates a secret and its rules, or undefined if rotation is off */
  const turnedBy = async (id: string) => {
    const { RotationEnabled, RotationLambdaARN, RotationRules } = await describeSecret(id)
    return RotationEnabled ? { by: RotationLambdaARN, rules: RotationRules } : undefined
  }
  /** @returns the calls that changed something, in order, such as "TagResource keyturn:managed=true" */
  const changes = () =>
    world.account.sent
      .filter(({ action }) => changingActions.test(action))
      .map(({ action, request }) => {
        const {
          Tags = [],
          TagKeys = [],
          stateMachineArn = '',
          RotateImmediately,
        } = request as {
          [key: string]: never
        }
        const machine = /-local-([\w-]+)$/.exec(stateMachineArn)?.[1]
        const tags = (Tags as { Key: string; Value: string }[]).map(({ Key, Value }) => `${Key}=${Value}`)
        const now = RotateImmediately === undefined ? [] : [`now=${RotateImmediately}`]
        return [action, ...(machine ? [machine] : []), ...tags, ...(TagKeys as string[]), ...now].join(' ')
      })

  type Typed = string | string[] | undefined
  /** Runs a command, whose questions are answered with `typed`. @returns its exit code and what it printed */
  const runCommandOf = async (
    command: (context: ReturnType<typeof terminalContext>['context']) => Promise<number>,
    typed: Typed,
    json: boolean,
  ) => {
    const { printed, context } = terminalContext(typed, json)
    try {
      return { code: await command(context), ...printed }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      return { code: error.code, ...printed, err: `${printed.err}${error.message}\n${error.remedy ?? ''}` }
    }
  }
  /** Runs `keyturn enrol`. */
  const keyturn = (id: string | undefined, options: EnrolOptions, typed?: Typed, json = false) =>
    runCommandOf(context => runEnrolCommand(context, id, options), typed, json)
  /** Runs `keyturn unenrol`. */
  const back = (
    id: string,
    options: { dryRun?: true; yes?: true } = { yes: true },
    typed?: Typed,
    json = false,
  ) => runCommandOf(context => runUnenrolCommand(context, id, options), typed, json)

  return { world, secret, describeSecret, tagsOf, turnedBy, changes, keyturn, back }
}
