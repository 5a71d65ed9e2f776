import { checkTemporaryFolder } from './prerequisites.ts'
import { say } from './say.ts'

/** The servers of a show. */
type Stoppable = { stop(): Promise<void> }

/**
 * Runs a show: a demonstration with real servers that prints to the terminal. The servers stop however the show ends, also by
 * Ctrl-C or when whoever reads its output has gone, and their folders are deleted.
 * @param opening the first line
 * @param start starts the servers
 * @param play plays the show, and returns true if all that it claims was proven; then the exit code is 0, and else 1
 * @param next what to read next, for the last line
 */
export async function runShow<S extends Stoppable>(
  opening: string,
  start: () => Promise<S>,
  play: (servers: S) => Promise<boolean>,
  next: string,
): Promise<void> {
  try {
    checkTemporaryFolder()
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
  say(opening)
  const starting = start()
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= starting.then(servers => servers.stop()))
  const endEarly = async (code: number) => {
    await stop().catch(() => {})
    process.exit(code)
  }
  process.once('SIGINT', () => endEarly(130)).once('SIGTERM', () => endEarly(143))
  // Writing fails once the process that reads the output has ended, such as `head`.
  process.stdout.on('error', () => endEarly(0))
  let proven = false
  try {
    proven = await play(await starting)
  } catch (error) {
    if (!stopped) throw error
  } finally {
    await stop()
  }
  say(proven ? `\nAll of it was proven. ${next}` : '\nNot all of it was proven.')
  process.exitCode = proven ? 0 : 1
}
