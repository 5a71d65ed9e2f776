import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawnUntilProcessEnds } from './spawn.ts'

type Daemon = {
  /** What the error calls it, if it does not start. */
  name: string
  command: string[]
  /** Its temporary folder: it runs there, and does not leave it behind if it fails to start. */
  folder: string
  /** Where its output goes. */
  logFile: string
  /** What ends it. */
  signal?: 'INT' | 'TERM'
}

/** `told` is what it answered first. */
export type RunningDaemon<Told> = { firstAnswer: Told; end(): Promise<void> }

/** Times that a server is asked whether it answers by now, and milliseconds between two of them. */
const STARTUP_POLLING = { tries: 200, pauseMs: 50 }

/**
 * Starts a server that ends when this process does, however that happens, and asks until it answers; an error that
 * `notYet` does not take for one of a server that is starting ends that at once.
 * @throws with what the server wrote, if it does not start
 */
export async function startDaemon<Told>(
  { name, command, folder, logFile, signal = 'TERM' }: Daemon,
  ask: () => Promise<Told>,
  notYet = (_: unknown) => true,
): Promise<RunningDaemon<Told>> {
  const log = openSync(logFile, 'a')
  const server = spawnUntilProcessEnds(command, { cwd: folder, log, signal })
  closeSync(log)
  const end = async () => {
    server.stdin?.end()
    if (server.exitCode === null) await once(server, 'exit')
  }
  for (let tries = 1; ; tries++)
    try {
      return { firstAnswer: await ask(), end }
    } catch (error) {
      if (server.exitCode === null && tries < STARTUP_POLLING.tries && notYet(error)) {
        await sleep(STARTUP_POLLING.pauseMs)
        continue
      }
      const said = await readFile(logFile, 'utf8')
      await end()
      await rm(folder, { recursive: true, force: true })
      throw new Error(`${name} did not start:\n${said}`, { cause: error })
    }
}
