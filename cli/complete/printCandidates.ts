import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, makeContext } from '../context.ts'
import { sanitize } from '../output.ts'
import { makeProgram } from '../program.ts'
import { findStacks } from '../stack.ts'
import { expectedWord } from './expectedWord.ts'

/** Milliseconds that somebody who has pressed a key is let wait. */
const TIME_LIMIT_MS = 1000

/**
 * Prints what may stand where the last of the words is, a line each. It never fails and takes no longer than a second:
 * then there is nothing to complete.
 */
export async function printCandidates(words: string[]): Promise<void> {
  const found = await Promise.race([
    findCandidates(words.slice(0, -1), words.at(-1) ?? '').catch(() => []),
    sleep(TIME_LIMIT_MS, []),
  ])
  // A call that is still under way would keep the process.
  const { promise, resolve } = Promise.withResolvers<void>()
  process.stdout.write(found.map(each => `${each}\n`).join(''), () => resolve())
  await promise
  process.exit()
}

async function findCandidates(before: string[], word: string): Promise<string[]> {
  const asked = expectedWord(
    makeProgram(() => {}),
    before,
    word,
  )
  if (asked.kind === 'words') return asked.words.filter(each => each.startsWith(word))
  const context = makeContext(asked.options, process, process.env)
  const names =
    asked.kind === 'stages'
      ? (await findStacks(context)).map(({ stage }) => stage)
      : await findIds(context, word)
  return names.filter(name => name.startsWith(word) && sanitize(name) === name && !/\s/.test(name)).sort()
}

/** The ids that begin so: one page of each store's. Either may fail, as a caller may not be allowed to list it. */
async function findIds(context: Context, word: string): Promise<string[]> {
  const [, kind = '', prefix = word] = /^(secret:|parameter:)(.*)$/s.exec(word) ?? []
  const found = await Promise.allSettled([
    kind === 'parameter:' ? [] : findSecretNames(context, prefix),
    kind === 'secret:' ? [] : findParameterNames(context, prefix),
  ])
  const names = found.flatMap(each => (each.status === 'fulfilled' ? each.value : []))
  return [...new Set(names)].map(name => `${kind}${name}`)
}

async function findSecretNames({ clients }: Context, prefix: string): Promise<string[]> {
  const { ListSecretsCommand } = await import('@aws-sdk/client-secrets-manager')
  const filter = prefix && { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
  const command = new ListSecretsCommand({ MaxResults: 100, ...filter })
  const { SecretList = [] } = await (await clients.secrets()).send(command)
  return SecretList.flatMap(({ Name }) => Name ?? [])
}

async function findParameterNames({ clients }: Context, prefix: string): Promise<string[]> {
  const { DescribeParametersCommand } = await import('@aws-sdk/client-ssm')
  const filter = prefix && { ParameterFilters: [{ Key: 'Name', Option: 'BeginsWith', Values: [prefix] }] }
  const command = new DescribeParametersCommand({ MaxResults: 50, ...filter })
  const { Parameters = [] } = await (await clients.parameters()).send(command)
  return Parameters.flatMap(({ Name }) => Name ?? [])
}
