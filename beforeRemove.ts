import { paginateListSecrets, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn'
import { type Osls, type Printer, readStackOutputs, type StackOutputs } from './afterDeploy.ts'

/** Pages of 100 secrets that are looked at, at most. */
const MAX_PAGES = 100

/** What would be worse off without the stack. `more` if there were more secrets than are looked at. */
export type StackUse = { secrets: string[]; executions: string[]; hasMoreSecrets: boolean }

/**
 * The plugin for serverless.yml that keeps `serverless remove` from a stack that is in use, unless the command has
 * --param="removeAnyway=true".
 */
export default class BeforeRemove {
  readonly #osls: Osls
  readonly #printer: Printer
  readonly hooks = { 'before:remove:remove': () => this.#refuseIfInUse() }

  constructor(osls: Osls, _options: unknown, printer: Printer) {
    this.#osls = osls
    this.#printer = printer
  }

  async #refuseIfInUse(): Promise<void> {
    const provider = this.#osls.getProvider('aws')
    const hindered = reasonsAgainstRemoval(await this.#findStackUse(), provider.getRegion())
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
  async #findStackUse(): Promise<StackUse | string> {
    try {
      const outputs = await readStackOutputs(this.#osls)
      const config = await this.#osls.getProvider('aws').getAwsSdkV3Config()
      return await findStackUse(outputs, new SecretsManagerClient(config), new SFNClient(config))
    } catch (error) {
      const { message } = error as Error
      // Then osls says so.
      if (/^Stack .* does not exist$/.test(message))
        return { secrets: [], executions: [], hasMoreSecrets: false }
      return message
    }
  }
}

/** The secrets whose rotation function is the stack's, and its rotations that go on. */
export async function findStackUse(
  outputs: StackOutputs,
  secretsManager: SecretsManagerClient,
  stepFunctions: SFNClient,
): Promise<StackUse> {
  const { RotateSecretFunctionArn, RotateStateMachineArn: stateMachineArn } = outputs
  const secrets: string[] = []
  // A stack that never came to be.
  if (!RotateSecretFunctionArn || !stateMachineArn) return { secrets, executions: [], hasMoreSecrets: false }
  let pages = 0
  for await (const page of paginateListSecrets({ client: secretsManager, pageSize: 100 }, {})) {
    for (const { Name = '', RotationEnabled, RotationLambdaARN } of page.SecretList ?? [])
      if (RotationEnabled && RotationLambdaARN === RotateSecretFunctionArn) secrets.push(Name)
    if (++pages === MAX_PAGES && page.NextToken) return { secrets, executions: [], hasMoreSecrets: true }
  }
  const running = new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' })
  const { executions = [] } = await stepFunctions.send(running)
  return {
    secrets,
    executions: executions.map(({ executionArn = '' }) => executionArn),
    hasMoreSecrets: false,
  }
}

/** A line for each reason not to remove the stack, with the command that does away with it. */
export function reasonsAgainstRemoval(found: StackUse | string, region: string): string[] {
  if (typeof found === 'string') return [`Whether the stack is in use could not be found out: ${found}`]
  const { secrets, executions, hasMoreSecrets } = found
  return [
    ...secrets.map(
      name =>
        `Secret ${name} has this stack's rotation function: aws secretsmanager cancel-rotate-secret --region ${region} --secret-id ${name}`,
    ),
    ...executions.map(
      arn =>
        `A rotation runs, or waits for its grace time to close what it replaced: aws stepfunctions describe-execution --region ${region} --execution-arn ${arn}`,
    ),
    ...(hasMoreSecrets ? [`There are more secrets than the ${MAX_PAGES * 100} that were looked at.`] : []),
  ]
}
