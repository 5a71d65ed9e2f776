import { listStacks, type Stack } from '../fleet/stacks.ts'
import type { Context } from './context.ts'
import { usageError } from './exit.ts'
import { deployAgainText } from './version.ts'

export { peerRegionsOf, type Stack } from '../fleet/stacks.ts'

/**
 * The stack that a command is about: the one of the stage that --stage or KEYTURN_STAGE names, else the only stack in the
 * account and Region.
 * @throws CommandError if there is no such stack, if there are several, or if the stack is too old for this command
 */
export async function chooseStack(context: Context): Promise<Stack> {
  const found = await findStacks(context)
  const { stage } = context
  const stages = found.map(stack => stack.stage).sort()
  if (stage) {
    const named = found.filter(stack => stack.stage === stage)
    if (named.length > 1)
      throw usageError(
        `several stacks have the stage ${stage}: ${named.map(({ name }) => name).join(', ')}`,
        'Remove all but one of them, or give each a stage of its own.',
      )
    if (named[0]) return requireCurrent(named[0])
    throw usageError(
      `there is no stack of the stage ${stage} in this account and Region`,
      stages.length
        ? `Name one of these with --stage: ${stages.join(', ')}; or another --profile or --region.`
        : 'Deploy it, or name another --profile or --region.',
    )
  }
  if (found.length > 1)
    throw usageError(
      `there are several stacks of Keyturn in this account and Region`,
      `Name one of these with --stage, or by KEYTURN_STAGE: ${stages.join(', ')}.`,
    )
  if (found[0]) return requireCurrent(found[0])
  throw usageError(
    'there is no stack of Keyturn in this account and Region',
    'Deploy one (README.md, "Deploy"), or name another --profile or --region.',
  )
}

/** The value of a stack's output. @throws CommandError if the stack has no such output, which means that it is too old */
export function outputOf(stack: Stack, key: string): string {
  const value = stack.outputs[key]
  if (!value) throw oldStackError(stack, `has no output ${key}`)
  return value
}

/** The ARN of a rotation's execution in this stack, without the execution's name and the colon before it. */
export const rotationArnPrefix = (stack: Stack): string =>
  outputOf(stack, 'RotateStateMachineArn').replace(':stateMachine:', ':execution:')

/** The account and the Region of a stack, from the ARN of its state machine. */
export function placeOf(stack: Stack): { region: string; account: string } {
  const [, , , region = '', account = ''] = outputOf(stack, 'RotateStateMachineArn').split(':')
  return { region, account }
}

/** Every stack of Keyturn in this account and Region. */
export const findStacks = async ({ clients }: Context): Promise<Stack[]> =>
  listStacks(await clients.cloudFormation())

/** The stack of the same stage in another Region, if there is one. */
export async function findPeerStack(
  context: Context,
  { stage }: Stack,
  region: string,
): Promise<Stack | undefined> {
  const stacks = await findStacks({ ...context, clients: context.clients.forRegion(region) })
  return stacks.find(stack => stack.stage === stage)
}

function requireCurrent(stack: Stack): Stack {
  if (!stack.outputs.Stage || !stack.version)
    throw oldStackError(stack, 'has no stage or no version in its outputs')
  return stack
}

const oldStackError = (stack: Stack, what: string) =>
  usageError(
    `the stack ${stack.name} ${what}: it is older than this command`,
    `Deploy it again with today's Keyturn, ${deployAgainText(stack.stage)}.`,
  )
