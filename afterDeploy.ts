import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'

/** The settings of a client of the AWS SDK. */
type ClientConfig = NonNullable<ConstructorParameters<typeof CloudFormationClient>[0]>

/** The part of osls (the fork of the Serverless Framework) that afterDeploy.ts and beforeRemove.ts use. */
export type Osls = {
  processedInput: { commands: string[]; options: { param?: string[] } }
  getProvider(name: 'aws'): {
    naming: { getStackName(): string }
    getRegion(): string
    getStage(): string
    getAwsSdkV3Config(): Promise<ClientConfig>
  }
}
/** The object that osls passes to a plugin for printing. */
export type Printer = { writeText(lines: string[]): void }
/** The outputs of the stack: their values by their names. */
export type StackOutputs = Record<string, string>

/** Reads the outputs of the deployed stack from CloudFormation. @throws what CloudFormation throws, as if there is no stack */
export async function readStackOutputs(osls: Osls): Promise<StackOutputs> {
  const provider = osls.getProvider('aws')
  const client = new CloudFormationClient(await provider.getAwsSdkV3Config())
  const StackName = provider.naming.getStackName()
  const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }))
  return Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  )
}

/** The plugin for serverless.yml that prints the stack's outputs and the next commands at the end of `serverless deploy`. */
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

  /** The lines to print. An error is printed too, and does not make a successful deployment fail. */
  async #lines(): Promise<string[]> {
    try {
      return nextSteps(await readStackOutputs(this.#osls), this.#osls.getProvider('aws').getRegion())
    } catch (error) {
      return ['', `The stack is deployed; its outputs could not be read: ${(error as Error).message}`]
    }
  }
}

/**
 * The lines that list the outputs, without those of osls itself, and the commands that let Keyturn rotate a secret, and rotate it.
 */
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
