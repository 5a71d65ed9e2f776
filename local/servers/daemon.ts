import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawnUntilProcessEnds } from './spawn.ts'

/** How a server is started. */
type Daemon = {
  /** The server's name in an error message. */
  name: string
  command: string[]
  /** The temporary folder in which the server runs. It is deleted if the server does not start. */
  folder: string
  /** The file to which the server's output is appended. */
  logFile: string
  /** The signal that stops the server. */
  signal?: 'INT' | 'TERM'
}

/** A running server, and what it answered first. `end` stops it and waits until it has ended. */
export type RunningDaemon<Answer> = { firstAnswer: Answer; end(): Promise<void> }

/** How often a server is asked whether it has started, and the milliseconds between two tries. */
const STARTUP_POLLING = { tries: 200, pauseMs: 50 }

/**
 * Starts a server, and waits until it answers. The server ends when this process does, also when this process crashes.
 * @param ask asks the server something; throws as long as it does not answer
 * @param isStarting whether an error of `ask` may be that of a server that is still starting; any other ends the wait at once
 * @throws Error with the server's output if it does not start
 */
export async function startDaemon<Answer>(
  { name, command, folder, logFile, signal = 'TERM' }: Daemon,
  ask: () => Promise<Answer>,
  isStarting = (_: unknown) => true,
): Promise<RunningDaemon<Answer>> {
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
      if (server.exitCode === null && tries < STARTUP_POLLING.tries && isStarting(error)) {
        await sleep(STARTUP_POLLING.pauseMs)
        continue
      }
      const output = await readFile(logFile, 'utf8')
      await end()
      await rm(folder, { recursive: true, force: true })
      throw new Error(`${name} did not start:\n${output}`, { cause: error })
    }
}
