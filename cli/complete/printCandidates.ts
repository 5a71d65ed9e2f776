import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, makeContext } from '../context.ts'
import { sanitize } from '../output.ts'
import { makeProgram } from '../program.ts'
import { findStacks } from '../stack.ts'
import { expectedWord } from './expectedWord.ts'

/** Milliseconds that a user waits at most after pressing the Tab key. */
const TIME_LIMIT_MS = 1000

/**
 * Prints the completions of the last of these words, a line each, and ends the process. After an error or after one second
 * nothing is printed.
 */
export async function printCandidates(words: string[]): Promise<void> {
  const found = await Promise.race([
    findCandidates(words.slice(0, -1), words.at(-1) ?? '').catch(() => []),
    sleep(TIME_LIMIT_MS, []),
  ])
  // A call to AWS that has no answer yet would keep the process running: it is ended once the output is written.
  const { promise, resolve } = Promise.withResolvers<void>()
  process.stdout.write(found.map(each => `${each}\n`).join(''), () => resolve())
  await promise
  process.exit()
}

async function findCandidates(before: string[], word: string): Promise<string[]> {
  const expected = expectedWord(
    makeProgram(() => {}),
    before,
    word,
  )
  if (expected.kind === 'words') return expected.words.filter(each => each.startsWith(word))
  const context = makeContext(expected.options, process, process.env)
  const names =
    expected.kind === 'stages'
      ? (await findStacks(context)).map(({ stage }) => stage)
      : await findIds(context, word)
  return names.filter(name => name.startsWith(word) && sanitize(name) === name && !/\s/.test(name)).sort()
}

/**
 * The ids of credentials that begin with `word`, from one page of each store's list. A store that the caller may not list
 * contributes none.
 */
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
