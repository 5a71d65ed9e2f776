import { paginateListSecrets, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn'
import { type Osls, type Printer, readStackOutputs, type StackOutputs } from './afterDeploy.ts'

/** How many pages of 100 secrets are read at most. */
const MAX_PAGE_COUNT = 100

/** What still uses the stack. */
export type StackUse = {
  /** The names of the secrets whose rotation function is the stack's. */
  secrets: string[]
  /** The ARNs of the rotations that run, or wait for the end of their grace time. */
  executions: string[]
  /** Whether the account has more secrets than were read. If so, the rotations were not looked for. */
  hasMoreSecrets: boolean
}

/**
 * The plugin for serverless.yml by which `serverless remove` refuses to remove a stack that is in use, unless the command has
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
    const reasons = reasonsAgainstRemoval(await this.#findStackUse(), provider.getRegion())
    const isForced = this.#osls.processedInput.options.param?.includes('removeAnyway=true')
    if (reasons.length && !isForced) {
      const command = `npx serverless remove --stage ${provider.getStage()} --param="region=${provider.getRegion()}"`
      const message = [
        ...reasons,
        `Nothing was removed. To remove the stack all the same: ${command} --param="removeAnyway=true"`,
      ].join('\n')
      // osls prints only the decoratedMessage of an error that has one. Of any other error it prints the stack trace.
      throw Object.assign(new Error(message), { decoratedMessage: message })
    }
    this.#printer.writeText([
      ...reasons,
      `With the stack go the logs of its functions and state machines, the records of its rotations, its alarms and its dashboard. Secrets, parameters, and what is in databases stay.`,
    ])
  }

  /** What uses the stack, or why that could not be found out. */
  async #findStackUse(): Promise<StackUse | string> {
    try {
      const outputs = await readStackOutputs(this.#osls)
      const config = await this.#osls.getProvider('aws').getAwsSdkV3Config()
      return await findStackUse(outputs, new SecretsManagerClient(config), new SFNClient(config))
    } catch (error) {
      const { message } = error as Error
      // osls itself reports that there is no such stack.
      if (/^Stack .* does not exist$/.test(message))
        return { secrets: [], executions: [], hasMoreSecrets: false }
      return message
    }
  }
}

/** Finds the secrets whose rotation function is the stack's, and up to 100 rotations that run. @throws what AWS throws */
export async function findStackUse(
  outputs: StackOutputs,
  secretsManager: SecretsManagerClient,
  stepFunctions: SFNClient,
): Promise<StackUse> {
  const { RotateSecretFunctionArn, RotateStateMachineArn: stateMachineArn } = outputs
  const secrets: string[] = []
  // The outputs are missing if the first deployment failed.
  if (!RotateSecretFunctionArn || !stateMachineArn) return { secrets, executions: [], hasMoreSecrets: false }
  let pages = 0
  for await (const page of paginateListSecrets({ client: secretsManager, pageSize: 100 }, {})) {
    for (const { Name = '', RotationEnabled, RotationLambdaARN } of page.SecretList ?? [])
      if (RotationEnabled && RotationLambdaARN === RotateSecretFunctionArn) secrets.push(Name)
    if (++pages === MAX_PAGE_COUNT && page.NextToken) return { secrets, executions: [], hasMoreSecrets: true }
  }
  const running = new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' })
  const { executions = [] } = await stepFunctions.send(running)
  return {
    secrets,
    executions: executions.map(({ executionArn = '' }) => executionArn),
    hasMoreSecrets: false,
  }
}

/** The reasons not to remove the stack, a line for each, with a command for what to do about it. */
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
    ...(hasMoreSecrets
      ? [`There are more secrets than the ${MAX_PAGE_COUNT * 100} that were looked at.`]
      : []),
  ]
}
