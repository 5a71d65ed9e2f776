import { paginateListSecrets, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn'
import { type Osls, type Outputs, outputsOf, type Printer } from './afterDeploy.ts'

/** Pages of 100 secrets that are looked at, at most. */
const MOST_PAGES = 100

/** What would be worse off without the stack. `more` if there were more secrets than are looked at. */
export type Standing = { secrets: string[]; executions: string[]; more: boolean }

/**
 * The plugin for serverless.yml that keeps `serverless remove` from a stack that is in use, unless the command has
 * --param="removeAnyway=true".
 */
export default class BeforeRemove {
  readonly #osls: Osls
  readonly #printer: Printer
  readonly hooks = { 'before:remove:remove': () => this.#look() }

  constructor(osls: Osls, _options: unknown, printer: Printer) {
    this.#osls = osls
    this.#printer = printer
  }

  async #look(): Promise<void> {
    const provider = this.#osls.getProvider('aws')
    const hindered = hindrances(await this.#standing(), provider.getRegion())
    const anyway = this.#osls.processedInput.options.param?.includes('removeAnyway=true')
    if (hindered.length && !anyway) {
      const command = `npx serverless remove --stage ${provider.getStage()} --param="region=${provider.getRegion()}"`
      const message = [
        ...hindered,
        `Nothing was removed. To remove the stack all the same: ${command} --param="removeAnyway=true"`,
      ].join('\n')
      // What has this is shown by it alone; of any other error osls shows the stack.
      throw Object.assign(new Error(message), { decoratedMessage: message })
    }
    this.#printer.writeText([
      ...hindered,
      `With the stack go the logs of its functions and state machines, the records of its rotations, its alarms and its dashboard. Secrets, parameters, and what is in databases stay.`,
    ])
  }

  /** @returns why, if it could not be found out */
  async #standing(): Promise<Standing | string> {
    try {
      const outputs = await outputsOf(this.#osls)
      const config = await this.#osls.getProvider('aws').getAwsSdkV3Config()
      return await standing(outputs, new SecretsManagerClient(config), new SFNClient(config))
    } catch (error) {
      const { message } = error as Error
      // Then osls says so.
      if (/^Stack .* does not exist$/.test(message)) return { secrets: [], executions: [], more: false }
      return message
    }
  }
}

/** The secrets whose rotation function is the stack's, and its rotations that go on. */
export async function standing(
  outputs: Outputs,
  secretsManager: SecretsManagerClient,
  stepFunctions: SFNClient,
): Promise<Standing> {
  const { RotateSecretFunctionArn, RotateStateMachineArn: stateMachineArn } = outputs
  const secrets: string[] = []
  // A stack that never came to be.
  if (!RotateSecretFunctionArn || !stateMachineArn) return { secrets, executions: [], more: false }
  let pages = 0
  for await (const page of paginateListSecrets({ client: secretsManager, pageSize: 100 }, {})) {
    for (const { Name = '', RotationEnabled, RotationLambdaARN } of page.SecretList ?? [])
      if (RotationEnabled && RotationLambdaARN === RotateSecretFunctionArn) secrets.push(Name)
    if (++pages === MOST_PAGES && page.NextToken) return { secrets, executions: [], more: true }
  }
  const running = new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' })
  const { executions = [] } = await stepFunctions.send(running)
  return { secrets, executions: executions.map(({ executionArn = '' }) => executionArn), more: false }
}

/** A line for each reason not to remove the stack, with the command that does away with it. */
export function hindrances(found: Standing | string, region: string): string[] {
  if (typeof found === 'string') return [`Whether the stack is in use could not be found out: ${found}`]
  const { secrets, executions, more } = found
  return [
    ...secrets.map(
      name =>
        `Secret ${name} has this stack's rotation function: aws secretsmanager cancel-rotate-secret --region ${region} --secret-id ${name}`,
    ),
    ...executions.map(
      arn =>
        `A rotation runs, or waits for its grace time to close what it replaced: aws stepfunctions describe-execution --region ${region} --execution-arn ${arn}`,
    ),
    ...(more ? [`There are more secrets than the ${MOST_PAGES * 100} that were looked at.`] : []),
  ]
}
