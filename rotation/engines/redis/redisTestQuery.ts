import { awaitTestQuery, writingTestQueryError } from '../testQuery.ts'
import { listOrEmpty, type RedisWire } from './redisWire.ts'

/** The place of the subcommands, such as XINFO STREAM, in a command's info: https://redis.io/docs/latest/commands/command/ */
const SUBCOMMANDS_INDEX = 9
/** The place of the flags in the info of a command or subcommand. */
const FLAGS_INDEX = 2

/**
 * Runs a test query, which is one command. Its words are separated by spaces, and may be quoted.
 * @throws TestFailed if the server refuses it, or if it may only read and the server does not call it `readonly`
 */
export async function runTestQuery(
  wire: RedisWire,
  query: string,
  { where, mayWrite }: { where: string; mayWrite: boolean },
): Promise<void> {
  const words = [...query.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )
  if (!mayWrite) await requireReadOnlyCommand(wire, words, where)
  await awaitTestQuery(wire.send(words))
}

/** @throws TestFailed unless the server itself says that the command only reads */
async function requireReadOnlyCommand(
  wire: RedisWire,
  [name = '', subcommand]: string[],
  where: string,
): Promise<void> {
  const [commandInfo] = listOrEmpty(await awaitTestQuery(wire.send(['COMMAND', 'INFO', name])))
  // The server does not know the command, and will refuse it in its own words.
  if (commandInfo === null) return
  const isSubcommand = (info: unknown) =>
    `${listOrEmpty(info)[0]}`.toLowerCase() === `${name}|${subcommand}`.toLowerCase()
  const info = listOrEmpty(listOrEmpty(commandInfo)[SUBCOMMANDS_INDEX]).find(isSubcommand) ?? commandInfo
  const flags = listOrEmpty(info)[FLAGS_INDEX]
  if (!listOrEmpty(flags).includes('readonly')) throw writingTestQueryError(where)
}
