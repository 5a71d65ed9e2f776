import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'

/** What a client of the SDK is made with. */
type ClientConfig = NonNullable<ConstructorParameters<typeof CloudFormationClient>[0]>

/** The part of osls that the plugins touch which look at the stack as it is deployed. */
export type Osls = {
  processedInput: { commands: string[]; options: { param?: string[] } }
  getProvider(name: 'aws'): {
    naming: { getStackName(): string }
    getRegion(): string
    getStage(): string
    getAwsSdkV3Config(): Promise<ClientConfig>
  }
}
/** What osls gives a plugin to print with. */
export type Printer = { writeText(lines: string[]): void }
export type StackOutputs = Record<string, string>

/** The stack's outputs, by name. */
export async function readStackOutputs(osls: Osls): Promise<StackOutputs> {
  const provider = osls.getProvider('aws')
  const client = new CloudFormationClient(await provider.getAwsSdkV3Config())
  const StackName = provider.naming.getStackName()
  const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }))
  return Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  )
}

/** The plugin for serverless.yml that ends `serverless deploy` with the stack's outputs, and with what to type next. */
export default class AfterDeploy {
  readonly #osls: Osls
  readonly #printer: Printer
  readonly hooks = { finalize: () => this.#printOutputs() }

  constructor(osls: Osls, _options: unknown, printer: Printer) {
    this.#osls = osls
    this.#printer = printer
  }

  async #printOutputs(): Promise<void> {
    if (this.#osls.processedInput.commands.join(' ') !== 'deploy') return
    this.#printer.writeText(await this.#lines())
  }

  /** What went wrong here does not make a failure of a deployment that went well. */
  async #lines(): Promise<string[]> {
    try {
      return nextSteps(await readStackOutputs(this.#osls), this.#osls.getProvider('aws').getRegion())
    } catch (error) {
      return ['', `The stack is deployed; its outputs could not be read: ${(error as Error).message}`]
    }
  }
}

/** The outputs but for the bucket of osls, and the commands that rotate a first secret. */
export function nextSteps(outputs: StackOutputs, region: string): string[] {
  const own = Object.entries(outputs).filter(([name]) => !name.startsWith('Serverless'))
  return [
    '',
    'Outputs:',
    ...own.sort().map(([name, value]) => `  ${name}: ${value}`),
    '',
    'Next, let Keyturn rotate a secret, and rotate it:',
    `  aws secretsmanager tag-resource --region ${region} --secret-id <name> --tags Key=keyturn:managed,Value=true`,
    `  npx keyturn rotate secret:<name> --region ${region} --stage ${outputs.Stage}`,
  ]
}
