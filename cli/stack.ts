import { type Stack, stacksIn } from '../fleet/stacks.ts'
import type { Context } from './context.ts'
import { CommandError, exit } from './exit.ts'

export { peersOf, type Stack } from '../fleet/stacks.ts'

/**
 * The stack of the stage that was named, or else the only one there is.
 * @throws CommandError if there is none, or several
 */
export async function stackOf(context: Context): Promise<Stack> {
  const found = await stacksOf(context)
  const { stage } = context
  const stages = found.map(stack => stack.stage).sort()
  if (stage) {
    const named = found.filter(stack => stack.stage === stage)
    if (named.length > 1)
      throw new CommandError(
        exit.usage,
        `several stacks have the stage ${stage}: ${named.map(({ name }) => name).join(', ')}`,
        'Remove all but one of them, or give each a stage of its own.',
      )
    if (named[0]) return current(named[0])
    throw new CommandError(
      exit.usage,
      `there is no stack of the stage ${stage} in this account and Region`,
      stages.length
        ? `Name one of these with --stage: ${stages.join(', ')}; or another --profile or --region.`
        : 'Deploy it, or name another --profile or --region.',
    )
  }
  if (found.length > 1)
    throw new CommandError(
      exit.usage,
      `there are several stacks of Keyturn in this account and Region`,
      `Name one of these with --stage, or by KEYTURN_STAGE: ${stages.join(', ')}.`,
    )
  if (found[0]) return current(found[0])
  throw new CommandError(
    exit.usage,
    'there is no stack of Keyturn in this account and Region',
    'Deploy one (README.md, "Deploy"), or name another --profile or --region.',
  )
}

/** The value of an output. @throws CommandError if the stack is older than that output */
export function outputOf(stack: Stack, key: string): string {
  const value = stack.outputs[key]
  if (!value) throw tooOld(stack, `has no output ${key}`)
  return value
}

/** What the ARNs of the stack's rotations begin with, up to the execution's name. */
export const executionsOf = (stack: Stack): string =>
  outputOf(stack, 'RotateStateMachineArn').replace(':stateMachine:', ':execution:')

/** The account and the Region that a stack is in, by the ARN of its state machine. */
export function placeOf(stack: Stack): { region: string; account: string } {
  const [, , , region = '', account = ''] = outputOf(stack, 'RotateStateMachineArn').split(':')
  return { region, account }
}

/** Every stack of Keyturn in this account and Region. */
export const stacksOf = async ({ clients }: Context): Promise<Stack[]> =>
  stacksIn(await clients.cloudFormation())

/** The stack of the same stage in another Region. */
export async function counterpartIn(
  context: Context,
  { stage }: Stack,
  region: string,
): Promise<Stack | undefined> {
  const stacks = await stacksOf({ ...context, clients: context.clients.in(region) })
  return stacks.find(stack => stack.stage === stage)
}

function current(stack: Stack): Stack {
  if (!stack.outputs.Stage || !stack.version) throw tooOld(stack, 'does not tell its stage and version')
  return stack
}

const tooOld = (stack: Stack, what: string) =>
  new CommandError(
    exit.usage,
    `the stack ${stack.name} ${what}: it is older than this command`,
    `Deploy it again with today's Keyturn: npx serverless deploy --stage ${stack.stage}.`,
  )
