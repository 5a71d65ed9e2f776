import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, contextOf } from '../context.ts'
import { plain } from '../output.ts'
import { programOf } from '../program.ts'
import { stacksOf } from '../stack.ts'
import { expected } from './candidates.ts'

/** Milliseconds that somebody who has pressed a key is let wait. */
const PATIENCE = 1000

/**
 * Prints what may stand where the last of the words is, a line each. It never fails and takes no longer than a second:
 * then there is nothing to complete.
 */
export async function answer(words: string[]): Promise<void> {
  const found = await Promise.race([
    candidates(words.slice(0, -1), words.at(-1) ?? '').catch(() => []),
    sleep(PATIENCE, []),
  ])
  // A call that is still under way would keep the process.
  const { promise, resolve } = Promise.withResolvers<void>()
  process.stdout.write(found.map(each => `${each}\n`).join(''), () => resolve())
  await promise
  process.exit()
}

async function candidates(before: string[], word: string): Promise<string[]> {
  const asked = expected(
    programOf(() => {}),
    before,
    word,
  )
  if (asked.kind === 'words') return asked.words.filter(each => each.startsWith(word))
  const context = contextOf(asked.options, process, process.env)
  const names =
    asked.kind === 'stages' ? (await stacksOf(context)).map(({ stage }) => stage) : await idsOf(context, word)
  return names.filter(name => name.startsWith(word) && plain(name) === name && !/\s/.test(name)).sort()
}

/** The ids that begin so: one page of each store's. Either may fail, as a caller may not be allowed to list it. */
async function idsOf(context: Context, word: string): Promise<string[]> {
  const [, kind = '', prefix = word] = /^(secret:|parameter:)(.*)$/s.exec(word) ?? []
  const found = await Promise.allSettled([
    kind === 'parameter:' ? [] : secretsLike(context, prefix),
    kind === 'secret:' ? [] : parametersLike(context, prefix),
  ])
  const names = found.flatMap(each => (each.status === 'fulfilled' ? each.value : []))
  return [...new Set(names)].map(name => `${kind}${name}`)
}

async function secretsLike({ clients }: Context, prefix: string): Promise<string[]> {
  const { ListSecretsCommand } = await import('@aws-sdk/client-secrets-manager')
  const filter = prefix && { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
  const command = new ListSecretsCommand({ MaxResults: 100, ...filter })
  const { SecretList = [] } = await (await clients.secrets()).send(command)
  return SecretList.flatMap(({ Name }) => Name ?? [])
}

async function parametersLike({ clients }: Context, prefix: string): Promise<string[]> {
  const { DescribeParametersCommand } = await import('@aws-sdk/client-ssm')
  const filter = prefix && { ParameterFilters: [{ Key: 'Name', Option: 'BeginsWith', Values: [prefix] }] }
  const command = new DescribeParametersCommand({ MaxResults: 50, ...filter })
  const { Parameters = [] } = await (await clients.parameters()).send(command)
  return Parameters.flatMap(({ Name }) => Name ?? [])
}
