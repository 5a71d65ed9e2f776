import { strategyIn } from '../../rotation/tags.ts'
import { failedBy } from '../awsErrors.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type Found, fullId } from '../credentialId.ts'
import { CredentialCalls } from '../enrol/calls.ts'
import { lineOf } from '../enrol/step.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { findCredential } from '../findCredential.ts'
import { interruption } from '../interrupt.ts'
import { plain } from '../output.ts'
import { type Stack, stackOf } from '../stack.ts'
import { type Plan, planOf } from '../unenrol/plan.ts'
import { adminOf, runningSays } from '../unenrol/running.ts'

type Options = { dryRun?: true; yes?: true }
type Told = {
  code: ExitCode
  result: 'unenrolled' | 'unchanged' | 'planned' | 'waiting'
  says: string
  remedy?: string
}

/**
 * Has a credential rotate no more by Keyturn: its schedule ends, or goes back to the function that rotated it before, and its
 * tags come off. Its value stays. Each call can be made twice, so what is not done is done by the same command again.
 */
export async function unenrol(context: Context, id: string, { dryRun, yes }: Options): Promise<ExitCode> {
  const stack = await stackOf(context)
  const found = await findCredential(context, stack, id)
  const running = await runningSays(context, stack, found)
  const admin = strategyIn(found.tags) ? await adminOf(context, stack, found) : undefined
  const plan = planOf({ stack, calls: await CredentialCalls.of(context), found, running, admin })
  const about = previewOf(found, plan, running)
  if (dryRun && !context.json) for (const line of about) context.output.line(line, 4)
  if (!dryRun && plan.steps.length) {
    await confirm(context, { about, flag: '--yes', given: yes === true })
    await carryOut(context, found, plan)
  }
  const told = dryRun && plan.steps.length ? planned : toldOf(stack, found, plan, running)
  report(context, found, plan, told)
  return told.code
}

function previewOf({ store, name }: Found, { steps, notes }: Plan, running: string | undefined): string[] {
  const id = fullId(store, name)
  return [
    `${id}: ${steps.length} ${steps.length === 1 ? 'call' : 'calls'}`,
    ...(steps.length ? notes.map(note => `  ${note}`) : []),
    ...(running ? [`  The rest has to wait: ${plain(running)}.`] : []),
    ...steps.map(({ shown }) => `  ${lineOf(shown)}`),
  ]
}

async function carryOut(context: Context, { name }: Found, { steps }: Plan): Promise<void> {
  const signal = interruption()
  const say = (text: string) => {
    if (!context.json)
      context.output.line(`${new Date().toISOString().slice(11, 19)} ${plain(name)}: ${plain(text)}`, 2)
  }
  const again = 'The same command again goes on.'
  for (const step of steps) {
    if (signal.aborted) throw new CommandError(exit.stopped, `${plain(name)}: stopped before its end`, again)
    await step.run(say).catch(error => {
      const { code, says, remedy = '' } = failedBy(error.name === 'Unsure' ? error.cause : error)
      throw new CommandError(code, `${plain(name)}: ${says}`, `${remedy} ${again}`.trim(), error)
    })
  }
}

const planned: Told = { code: exit.done, result: 'planned', says: 'nothing was changed yet' }

function toldOf({ stage }: Stack, found: Found, { steps }: Plan, running: string | undefined): Told {
  if (running)
    return {
      ...{ code: exit.stopped, result: 'waiting' },
      says: `nothing begins a rotation of it any more, and its tags stay: ${running}`,
      remedy: `Then repeat: keyturn unenrol ${fullId(found.store, found.name)} --stage ${plain(stage)}`,
    }
  if (!steps.length)
    return { code: exit.done, result: 'unchanged', says: 'was not enrolled: there is nothing to do' }
  return { code: exit.done, result: 'unenrolled', says: 'rotates no more by Keyturn' }
}

function report({ output, json }: Context, { store, name, arn }: Found, { steps }: Plan, told: Told): void {
  const { code, says, remedy } = told
  const calls = steps.map(({ shown }) => shown)
  if (json) {
    const { code: exitCode, ...rest } = told
    output.json({ store, id: name, arn, calls, ...rest, exitCode })
  } else if (code === exit.done)
    output.line(`${output.styled('green', 'ok')}  ${fullId(store, name)}: ${says}`, 4)
  if (code !== exit.done) output.error({ message: `${name}: ${says}`, remedy })
}
