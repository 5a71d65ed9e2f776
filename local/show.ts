import { checkTemporaryFolder } from './prerequisites.ts'
import { say } from './say.ts'

/** What a show needs, and ends when it is over. */
type Stoppable = { stop(): Promise<void> }

/**
 * Plays a show in the terminal, with real servers, from `opening` to a last line. However it ends, by Ctrl-C or as nobody reads
 * any more, its servers end with it, and their folders go. Its exit code is 0 if `play` says that all was proven.
 */
export async function runShow<S extends Stoppable>(
  opening: string,
  start: () => Promise<S>,
  play: (stage: S) => Promise<boolean>,
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
  const stop = () => (stopped ??= starting.then(stage => stage.stop()))
  const endEarly = async (code: number) => {
    await stop().catch(() => {})
    process.exit(code)
  }
  process.once('SIGINT', () => endEarly(130)).once('SIGTERM', () => endEarly(143))
  // Whoever read has gone, as `head` does.
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
